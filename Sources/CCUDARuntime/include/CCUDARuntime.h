// SPDX-License-Identifier: Apache-2.0

// CCUDARuntime: the part of CUDA's runtime interface that Strait calls, as a table of functions. The library is opened with
// dlopen, so that the package builds and starts where there is none; tests fill a table of their own.
//
// A function returns 0 for success, else one of CUDA's numbers. Handles of streams and events are opaque.

#ifndef STRAIT_CCUDARUNTIME_H
#define STRAIT_CCUDARUNTIME_H

#include <stddef.h>
#include <stdint.h>

// CUDA's numbers that are told apart.
enum {
    CUDA_SUCCESS_CODE = 0,
    CUDA_OUT_OF_MEMORY = 2,
    CUDA_NO_DRIVER = 35,   // older than the library, or none at all
    CUDA_NO_DEVICE = 100,
    CUDA_NOT_READY = 600,  // what was asked for is not over yet
};

// Directions of a copy.
enum { CUDA_HOST_TO_DEVICE = 1, CUDA_DEVICE_TO_HOST = 2 };

// Flags of streams, events and pinned memory.
enum {
    CUDA_STREAM_NON_BLOCKING = 1,  // does not wait for the stream that everybody shares
    CUDA_EVENT_BLOCKING_WAIT = 1,  // who waits for it sleeps
    CUDA_HOST_MEMORY_PORTABLE = 1,
};

// Attributes of a device.
enum {
    CUDA_ATTRIBUTE_MULTIPROCESSORS = 16,
    CUDA_ATTRIBUTE_L2_BYTES = 38,
    CUDA_ATTRIBUTE_COPY_ENGINES = 40,
    CUDA_ATTRIBUTE_MAJOR = 75,
    CUDA_ATTRIBUTE_MINOR = 76,
};

typedef struct cuda_api {
    // The runtime itself.
    int (*runtime_version)(int *version);
    int (*driver_version)(int *version);
    const char *(*error_name)(int code);
    const char *(*error_text)(int code);
    int (*last_error)(void);  // the calling thread's, which is forgotten then

    // Devices. What a thread does is on the device that it chose last.
    int (*device_count)(int *count);
    int (*choose_device)(int device);
    int (*device_attribute)(int *value, int attribute, int device);
    int (*memory_info)(size_t *free_bytes, size_t *total_bytes);
    int (*priority_range)(int *least, int *greatest);  // greatest is the smaller number
    int (*synchronize)(void);

    // Memory.
    int (*device_allocate)(void **memory, size_t bytes);
    int (*device_free)(void *memory);
    int (*pinned_allocate)(void **memory, size_t bytes, unsigned flags);
    int (*pinned_free)(void *memory);
    int (*copy)(void *to, const void *from, size_t bytes, int direction, void *stream);

    // Streams.
    int (*stream_create)(void **stream, unsigned flags, int priority);
    int (*stream_destroy)(void *stream);
    int (*stream_synchronize)(void *stream);
    int (*stream_wait)(void *stream, void *event, unsigned flags);

    // Events.
    int (*event_create)(void **event, unsigned flags);
    int (*event_destroy)(void *event);
    int (*event_record)(void *event, void *stream);
    int (*event_query)(void *event);
    int (*event_synchronize)(void *event);
    int (*event_elapsed)(float *milliseconds, void *from, void *to);

    // The driver's name of a device, or NULL where the driver's own library cannot be opened.
    int (*device_name)(char *name, int capacity, int device);
} cuda_api;

typedef enum {
    CUDA_LOADED = 0,
    CUDA_CANNOT_OPEN = 1,    // the loader refused the file: absent, or no shared library
    CUDA_NOT_COMPLETE = 2,   // it is a shared library, but a function is missing
} cuda_load_outcome;

// Opens `path` and fills the table, which is the process's own: the last one opened serves. Otherwise writes why not into
// `reason`, always terminated. The library is never closed again.
cuda_load_outcome cuda_load(const char *path, const cuda_api **api, char *reason, size_t reason_capacity);

#endif
