// SPDX-License-Identifier: Apache-2.0

// Tells ThreadSanitizer of two ways in which threads wait for one another that it does not see, and would otherwise take
// for none: it would report races that are not there. Part of builds with STRAIT_SANITIZER=thread only.
//
// A function of the program stands before the shared library's one of that name; it calls that, and tells.

#if __has_feature(thread_sanitizer)

#define _GNU_SOURCE

#include <dlfcn.h>
#include <semaphore.h>
#include <stdint.h>
#include <time.h>

extern void __tsan_acquire(void *address);
extern void __tsan_release(void *address);

#define SWIFT __attribute__((swiftcall))
#define SELF __attribute__((swift_context)) void *

// -- Swift's Mutex -----------------------------------------------------------------------------------------------------
//
// Taking a free lock is inlined and seen. Waiting for a taken one happens inside libswiftSynchronization, which is not
// instrumented. The lock's word is its only field, so both ways speak of the same address.

#define LOCK_SLOW "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define TRY_LOCK_SLOW "$s15Synchronization12_MutexHandleV12_tryLockSlowSbyF"
#define UNLOCK_SLOW "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"

SWIFT void lock_slow(uint32_t thread, SELF mutex) __asm__(LOCK_SLOW);
SWIFT _Bool try_lock_slow(SELF mutex) __asm__(TRY_LOCK_SLOW);
SWIFT void unlock_slow(SELF mutex) __asm__(UNLOCK_SLOW);

SWIFT void lock_slow(uint32_t thread, SELF mutex) {
    SWIFT void (*next)(uint32_t, SELF) = (SWIFT void (*)(uint32_t, SELF))dlsym(RTLD_NEXT, LOCK_SLOW);
    next(thread, mutex);
    __tsan_acquire(mutex);
}

SWIFT _Bool try_lock_slow(SELF mutex) {
    SWIFT _Bool (*next)(SELF) = (SWIFT _Bool (*)(SELF))dlsym(RTLD_NEXT, TRY_LOCK_SLOW);
    _Bool locked = next(mutex);
    if (locked) __tsan_acquire(mutex);
    return locked;
}

SWIFT void unlock_slow(SELF mutex) {
    SWIFT void (*next)(SELF) = (SWIFT void (*)(SELF))dlsym(RTLD_NEXT, UNLOCK_SLOW);
    __tsan_release(mutex);
    next(mutex);
}

// -- semaphores --------------------------------------------------------------------------------------------------------
//
// ThreadSanitizer knows `sem_wait` and `sem_timedwait`, not this one.

int sem_clockwait(sem_t *restrict semaphore, clockid_t clock, const struct timespec *restrict time) {
    int (*next)(sem_t *, clockid_t, const struct timespec *) =
        (int (*)(sem_t *, clockid_t, const struct timespec *))dlsym(RTLD_NEXT, "sem_clockwait");
    int result = next(semaphore, clock, time);
    if (result == 0) __tsan_acquire(semaphore);
    return result;
}

#endif
