// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE

#include "CPlatform.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

_Static_assert(sizeof(cpu_set_t) == PLATFORM_CORE_SET_BYTES, "glibc's set of cores has another size");

int platform_get_cores(uint8_t *set) {
    cpu_set_t cores;
    if (sched_getaffinity(0, sizeof cores, &cores) != 0) return errno;
    memcpy(set, &cores, sizeof cores);
    return 0;
}

int platform_pin_thread(const uint8_t *set) {
    cpu_set_t cores;
    memcpy(&cores, set, sizeof cores);
    return sched_setaffinity(0, sizeof cores, &cores) == 0 ? 0 : errno;
}

void platform_name_thread(const char *name) {
    char short_name[16];
    strncpy(short_name, name, sizeof short_name - 1);
    short_name[sizeof short_name - 1] = '\0';
    pthread_setname_np(pthread_self(), short_name);
}

void platform_wake_on_time(void) { prctl(PR_SET_TIMERSLACK, 1UL); }

int platform_wait_until(sem_t *semaphore, int64_t nanoseconds) {
    struct timespec time = {.tv_sec = nanoseconds / 1000000000, .tv_nsec = nanoseconds % 1000000000};
    return sem_clockwait(semaphore, CLOCK_MONOTONIC, &time) == 0 ? 0 : errno;
}

void platform_keep_memory(int mmap_threshold, int trim_threshold) {
    mallopt(M_MMAP_THRESHOLD, mmap_threshold);
    mallopt(M_TRIM_THRESHOLD, trim_threshold);
}

#ifndef STRAIT_COMMIT
#define STRAIT_COMMIT ""
#endif

const char *platform_commit(void) { return STRAIT_COMMIT; }
