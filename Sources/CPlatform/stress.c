// SPDX-License-Identifier: Apache-2.0

#include "CPlatform.h"

// Whatever a compiler thinks of the work, it has to be done: its result goes where others could read it.
static _Thread_local volatile double result;

// Chains that do not wait for each other: as many as keep the adders and multipliers of any processor busy.
#define CHAINS 16

void platform_compute(uint64_t rounds) {
    double chain[CHAINS];
    for (int index = 0; index < CHAINS; index++) chain[index] = 1.0 + index;
    for (uint64_t round = 0; round < rounds; round++) {
        for (int index = 0; index < CHAINS; index++) chain[index] = chain[index] * 0.999999 + 0.000001;
    }
    double sum = 0;
    for (int index = 0; index < CHAINS; index++) sum += chain[index];
    result = sum;
}

void platform_sweep(double *to, const double *from, size_t count) {
    for (size_t index = 0; index < count; index++) to[index] = from[index] + 1.0;
    result = to[count / 2];
}
