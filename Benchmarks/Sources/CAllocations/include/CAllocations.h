// SPDX-License-Identifier: Apache-2.0

// Counts the memory allocations of the calling thread, so that "no allocation in the steady state" is a number.
#pragma once
#include <stdint.h>

/// Allocations of the calling thread so far.
uint64_t allocations_of_this_thread(void);
