// SPDX-License-Identifier: Apache-2.0

// CFakeCUDA: CUDA's functions over a device that is none. Streams are queues in virtual time; the host's own time goes on
// only when it waits. Copies and kernels take effect when the host's time has passed their end, in the order of their
// times: who forgets to let one stream wait for another reads what was not written yet.

#ifndef STRAIT_CFAKECUDA_H
#define STRAIT_CFAKECUDA_H

#include <stddef.h>
#include <stdint.h>

#include "CCUDARuntime.h"

// The functions.
const cuda_api *fake_cuda_table(void);

// There is one device, whatever suites run beside each other: the caller has it, once no one else does, until it gives it
// back.
void fake_cuda_claim(void);
void fake_cuda_give_back(void);

// Forgets everything. Copies take `copy_overhead` ns and `copy_ns_per_kib` for each 1024 bytes, one at a time in each
// direction.
void fake_cuda_reset(int devices, size_t memory_bytes, int64_t copy_overhead, int64_t copy_ns_per_kib);

// Puts a kernel on a stream: `start` is called when it begins, `end` when it ends.
void fake_cuda_launch(void *stream, int64_t nanoseconds, void (*start)(void *), void (*end)(void *), void *context);

// What can be made to fail.
typedef enum {
    FAKE_COPY, FAKE_EVENT_SYNCHRONIZE, FAKE_DEVICE_ALLOCATE, FAKE_PINNED_ALLOCATE, FAKE_DEVICE_COUNT, FAKE_ENTRIES
} fake_cuda_entry;

// Lets the call after the next `calls` of that function return `code`; from then on all of them if it `lasts`.
void fake_cuda_fail(fake_cuda_entry entry, int calls, int code, int lasts);

// The host's time in ns.
int64_t fake_cuda_now(void);
size_t fake_cuda_device_bytes(void);
size_t fake_cuda_pinned_bytes(void);
// Streams and events that were not destroyed.
int fake_cuda_objects(void);
// The priority of a stream.
int fake_cuda_priority(void *stream);

#endif
