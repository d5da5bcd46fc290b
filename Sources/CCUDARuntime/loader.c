// SPDX-License-Identifier: Apache-2.0

// Opens CUDA's runtime library, and the driver's for the one thing that the runtime tells only in a large struct.

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "CCUDARuntime.h"

// Where each function goes in the table, and what the library calls it.
struct entry {
    size_t offset;
    const char *name;
};

#define ENTRY(member, name) {offsetof(cuda_api, member), name}

static const struct entry entries[] = {
    ENTRY(runtime_version, "cudaRuntimeGetVersion"),
    ENTRY(driver_version, "cudaDriverGetVersion"),
    ENTRY(error_name, "cudaGetErrorName"),
    ENTRY(error_text, "cudaGetErrorString"),
    ENTRY(last_error, "cudaGetLastError"),
    ENTRY(device_count, "cudaGetDeviceCount"),
    ENTRY(choose_device, "cudaSetDevice"),
    ENTRY(device_attribute, "cudaDeviceGetAttribute"),
    ENTRY(memory_info, "cudaMemGetInfo"),
    ENTRY(priority_range, "cudaDeviceGetStreamPriorityRange"),
    ENTRY(synchronize, "cudaDeviceSynchronize"),
    ENTRY(device_allocate, "cudaMalloc"),
    ENTRY(device_free, "cudaFree"),
    ENTRY(pinned_allocate, "cudaHostAlloc"),
    ENTRY(pinned_free, "cudaFreeHost"),
    ENTRY(copy, "cudaMemcpyAsync"),
    ENTRY(stream_create, "cudaStreamCreateWithPriority"),
    ENTRY(stream_destroy, "cudaStreamDestroy"),
    ENTRY(stream_synchronize, "cudaStreamSynchronize"),
    ENTRY(stream_wait, "cudaStreamWaitEvent"),
    ENTRY(event_create, "cudaEventCreateWithFlags"),
    ENTRY(event_destroy, "cudaEventDestroy"),
    ENTRY(event_record, "cudaEventRecord"),
    ENTRY(event_query, "cudaEventQuery"),
    ENTRY(event_synchronize, "cudaEventSynchronize"),
    ENTRY(event_elapsed, "cudaEventElapsedTime"),
};

static cuda_api table;

cuda_load_outcome cuda_load(const char *path, const cuda_api **api, char *reason, size_t reason_capacity) {
    snprintf(reason, reason_capacity, "%s", "");
    *api = NULL;
    // Global, so that ONNX Runtime's provider finds this one and no other.
    void *library = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
    if (library == NULL) {
        const char *why = dlerror();
        snprintf(reason, reason_capacity, "%s", why != NULL ? why : "the loader gave no reason");
        return CUDA_CANNOT_OPEN;
    }
    cuda_api found;
    memset(&found, 0, sizeof found);
    for (size_t index = 0; index < sizeof entries / sizeof *entries; index++) {
        void *function = dlsym(library, entries[index].name);
        if (function == NULL) {
            snprintf(reason, reason_capacity, "not CUDA's runtime: it does not offer %s", entries[index].name);
            dlclose(library);
            return CUDA_NOT_COMPLETE;
        }
        memcpy((char *)&found + entries[index].offset, &function, sizeof function);
    }
    void *driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_GLOBAL);
    if (driver != NULL) {
        void *function = dlsym(driver, "cuDeviceGetName");
        memcpy((char *)&found + offsetof(cuda_api, device_name), &function, sizeof function);
    }
    table = found;
    *api = &table;
    return CUDA_LOADED;
}
