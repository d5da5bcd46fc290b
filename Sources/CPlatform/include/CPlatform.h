// SPDX-License-Identifier: Apache-2.0

// CPlatform: the few calls of Linux that glibc shows only to C programs which ask for GNU extensions, and two loops that
// keep a processor busy in known ways, whatever a compiler thinks of them.

#ifndef STRAIT_CPLATFORM_H
#define STRAIT_CPLATFORM_H

#include <semaphore.h>
#include <stddef.h>
#include <stdint.h>

/// Bytes of a set of cores: glibc's own measure, 1024 cores.
#define PLATFORM_CORE_SET_BYTES 128

/// Reads the cores that the process may use into `set`, one bit a core. 0, or an errno.
int platform_get_cores(uint8_t *set);

/// Keeps the calling thread on the cores in `set`. 0, or an errno.
int platform_pin_thread(const uint8_t *set);

/// Names the calling thread; the first 15 bytes count.
void platform_name_thread(const char *name);

/// Lets the system wake the calling thread on time, rather than up to 50 µs later to save power.
void platform_wake_on_time(void);

/// Waits for a semaphore until a time of the monotonic clock. 0, or an errno (ETIMEDOUT).
int platform_wait_until(sem_t *semaphore, int64_t nanoseconds);

/// Makes malloc keep memory of up to `mmap_threshold` bytes in the process, and up to `trim_threshold` of it idle.
void platform_keep_memory(int mmap_threshold, int trim_threshold);

/// The commit that this was built from, as the build was told; empty where it was not.
const char *platform_commit(void);

/// From now on of the code that is loaded only those pages are mapped that are used. Linux maps up to fifteen more around
/// each where it has them in its memory, and they count as the process's. Not so where writes to the mapping are watched:
/// so these are, to which nobody writes, and nothing ever comes of it. 0, or an errno where the system lets it for none or
/// not for all.
int platform_map_only_used_code(void);

/// Lets go of the pages of code that are in memory, and of memory that malloc holds and nobody uses. What is needed again
/// comes back from the file by itself.
void platform_forget_code(void);

/// Does `rounds` rounds of arithmetic in registers.
void platform_compute(uint64_t rounds);

/// Reads `count` numbers, adds to each, and writes the sums.
void platform_sweep(double *to, const double *from, size_t count);

#endif
