// SPDX-License-Identifier: Apache-2.0

// COnnxRuntime: the part of ONNX Runtime's C interface that Strait calls. The library is opened with dlopen, so that
// the package builds and starts where it is not installed. Nothing here decides anything: one function, one slot.
//
// A function that returns `ort_status *` returns NULL for success; otherwise the caller releases the status.

#ifndef STRAIT_CONNXRUNTIME_H
#define STRAIT_CONNXRUNTIME_H

#include <stddef.h>
#include <stdint.h>

// The version of the function table that is asked for. 24 has every slot used here; 1.24 and newer releases serve it.
enum { ORT_REQUIRED_API = 24 };

typedef struct ort_api ort_api;
typedef struct ort_status ort_status;
typedef struct ort_env ort_env;
typedef struct ort_session ort_session;
typedef struct ort_session_options ort_session_options;
typedef struct ort_run_options ort_run_options;
typedef struct ort_value ort_value;
typedef struct ort_type_info ort_type_info;
typedef struct ort_tensor_info ort_tensor_info;
typedef struct ort_memory_info ort_memory_info;
typedef struct ort_model_metadata ort_model_metadata;
typedef struct ort_allocator ort_allocator;
typedef struct ort_binding ort_binding;
typedef struct ort_cuda_options ort_cuda_options;
typedef struct ort_tensorrt_options ort_tensorrt_options;

// -- the library ------------------------------------------------------------------------------------------------

typedef enum {
    ORT_LOADED = 0,
    ORT_CANNOT_OPEN = 1,       // the loader refused the file: absent, or no shared library
    ORT_NOT_ONNX_RUNTIME = 2,  // it is a shared library, but another one
    ORT_TOO_OLD = 3,           // it is ONNX Runtime, but does not serve ORT_REQUIRED_API
} ort_load_outcome;

typedef struct {
    ort_load_outcome outcome;
    const ort_api *api;   // NULL unless loaded
    const char *version;  // lives as long as the library; NULL unless loaded
    const char *path;     // the file the loader found; lives as long as the library; NULL unless loaded
} ort_library;

// Opens `path` (a name without a slash is sought by the loader). A library that serves is never closed again: it leaves
// threads and exit handlers behind. Otherwise writes why not into `reason`, always terminated.
ort_library ort_load(const char *path, char *reason, size_t reason_capacity);

// -- status -----------------------------------------------------------------------------------------------------

int ort_status_code(const ort_api *api, const ort_status *status);
const char *ort_status_message(const ort_api *api, const ort_status *status);
void ort_release_status(const ort_api *api, ort_status *status);

// -- environment and memory -------------------------------------------------------------------------------------

ort_status *ort_create_env(const ort_api *api, int severity, const char *log_id, ort_env **env);
void ort_release_env(const ort_api *api, ort_env *env);
ort_status *ort_create_cpu_memory_info(const ort_api *api, ort_memory_info **info);
void ort_release_memory_info(const ort_api *api, ort_memory_info *info);
// The process's default allocator. It belongs to the library: do not release it.
ort_status *ort_default_allocator(const ort_api *api, ort_allocator **allocator);
ort_status *ort_allocator_free(const ort_api *api, ort_allocator *allocator, void *memory);

// -- session options --------------------------------------------------------------------------------------------

ort_status *ort_create_session_options(const ort_api *api, ort_session_options **options);
void ort_release_session_options(const ort_api *api, ort_session_options *options);
ort_status *ort_set_sequential_execution(const ort_api *api, ort_session_options *options);
ort_status *ort_set_session_severity(const ort_api *api, ort_session_options *options, int severity);
ort_status *ort_set_graph_optimization(const ort_api *api, ort_session_options *options, int level);
ort_status *ort_set_intra_op_threads(const ort_api *api, ort_session_options *options, int count);
ort_status *ort_set_inter_op_threads(const ort_api *api, ort_session_options *options, int count);
ort_status *ort_add_session_config(const ort_api *api, ort_session_options *options, const char *key,
                                   const char *value);

// -- session ----------------------------------------------------------------------------------------------------

ort_status *ort_create_session(const ort_api *api, const ort_env *env, const char *path,
                               const ort_session_options *options, ort_session **session);
void ort_release_session(const ort_api *api, ort_session *session);
ort_status *ort_session_input_count(const ort_api *api, const ort_session *session, size_t *count);
ort_status *ort_session_output_count(const ort_api *api, const ort_session *session, size_t *count);
// The name is allocated: free it with ort_allocator_free.
ort_status *ort_session_input_name(const ort_api *api, const ort_session *session, size_t index,
                                   ort_allocator *allocator, char **name);
ort_status *ort_session_output_name(const ort_api *api, const ort_session *session, size_t index,
                                    ort_allocator *allocator, char **name);
ort_status *ort_session_input_type(const ort_api *api, const ort_session *session, size_t index, ort_type_info **type);
ort_status *ort_session_output_type(const ort_api *api, const ort_session *session, size_t index, ort_type_info **type);
ort_status *ort_run(const ort_api *api, ort_session *session, const ort_run_options *options,
                    const char *const *input_names, const ort_value *const *inputs, size_t input_count,
                    const char *const *output_names, size_t output_count, ort_value **outputs);

ort_status *ort_session_metadata(const ort_api *api, const ort_session *session, ort_model_metadata **metadata);
void ort_release_metadata(const ort_api *api, ort_model_metadata *metadata);
// The value is NULL where the model has no such key; otherwise it is allocated.
ort_status *ort_metadata_lookup(const ort_api *api, const ort_model_metadata *metadata, ort_allocator *allocator,
                                const char *key, char **value);
// Both the array and every key in it are allocated. The array is NULL where there are none.
ort_status *ort_metadata_keys(const ort_api *api, const ort_model_metadata *metadata, ort_allocator *allocator,
                              char ***keys, int64_t *count);

// -- run options ------------------------------------------------------------------------------------------------

ort_status *ort_create_run_options(const ort_api *api, ort_run_options **options);
void ort_release_run_options(const ort_api *api, ort_run_options *options);
ort_status *ort_set_terminate(const ort_api *api, ort_run_options *options);
ort_status *ort_unset_terminate(const ort_api *api, ort_run_options *options);

// -- types and shapes -------------------------------------------------------------------------------------------

void ort_release_type_info(const ort_api *api, ort_type_info *type);
// 1 tensor, 2 sequence, 3 map, 4 opaque, 5 sparse tensor, 6 optional; 0 unknown.
ort_status *ort_type_kind(const ort_api *api, const ort_type_info *type, int *kind);
// NULL where the type is no tensor. It belongs to `type`.
ort_status *ort_type_as_tensor(const ort_api *api, const ort_type_info *type, const ort_tensor_info **info);
void ort_release_tensor_info(const ort_api *api, ort_tensor_info *info);
ort_status *ort_element_type(const ort_api *api, const ort_tensor_info *info, int *type);
ort_status *ort_rank(const ort_api *api, const ort_tensor_info *info, size_t *rank);
// -1 for a dimension that varies.
ort_status *ort_dimensions(const ort_api *api, const ort_tensor_info *info, intptr_t *dimensions, size_t rank);
// "" for a dimension without a name. The strings belong to `info`.
ort_status *ort_symbolic_dimensions(const ort_api *api, const ort_tensor_info *info, const char **names, size_t rank);

// -- values -----------------------------------------------------------------------------------------------------

// A tensor over the caller's memory, which must outlive it.
ort_status *ort_create_tensor_over(const ort_api *api, const ort_memory_info *memory, void *bytes, size_t byte_count,
                                   const intptr_t *shape, size_t rank, int element_type, ort_value **value);
ort_status *ort_create_tensor(const ort_api *api, ort_allocator *allocator, const intptr_t *shape, size_t rank,
                              int element_type, ort_value **value);
void ort_release_value(const ort_api *api, ort_value *value);
ort_status *ort_value_is_tensor(const ort_api *api, const ort_value *value, int *is_tensor);
ort_status *ort_value_tensor_info(const ort_api *api, const ort_value *value, ort_tensor_info **info);
ort_status *ort_value_data(const ort_api *api, ort_value *value, void **data);
// Makes an element of a tensor of strings `length` bytes long; `buffer` is where they go, zero bytes included.
ort_status *ort_string_buffer(const ort_api *api, ort_value *value, size_t index, size_t length, char **buffer);
// The bytes of all strings together, without terminators.
ort_status *ort_strings_byte_count(const ort_api *api, const ort_value *value, size_t *count);
// All strings one after the other without terminators, and where each begins.
ort_status *ort_strings_content(const ort_api *api, const ort_value *value, void *bytes, size_t byte_count,
                                size_t *offsets, size_t offset_count);

// -- execution providers ----------------------------------------------------------------------------------------

// The names of the providers that this library knows, to be released with the next function.
ort_status *ort_available_providers(const ort_api *api, char ***names, int *count);
void ort_release_available_providers(const ort_api *api, char **names, int count);

// Making options already asks the driver for the device, and fails where there is none.
ort_status *ort_create_cuda_options(const ort_api *api, ort_cuda_options **options);
ort_status *ort_update_cuda_options(const ort_api *api, ort_cuda_options *options, const char *const *keys,
                                    const char *const *values, size_t count);
ort_status *ort_set_cuda_pointer(const ort_api *api, ort_cuda_options *options, const char *key, void *value);
ort_status *ort_append_cuda(const ort_api *api, ort_session_options *session, const ort_cuda_options *options);
void ort_release_cuda_options(const ort_api *api, ort_cuda_options *options);

ort_status *ort_create_tensorrt_options(const ort_api *api, ort_tensorrt_options **options);
ort_status *ort_update_tensorrt_options(const ort_api *api, ort_tensorrt_options *options, const char *const *keys,
                                        const char *const *values, size_t count);
ort_status *ort_append_tensorrt(const ort_api *api, ort_session_options *session,
                                const ort_tensorrt_options *options);
void ort_release_tensorrt_options(const ort_api *api, ort_tensorrt_options *options);

// -- memory of devices, and runs on it ----------------------------------------------------------------------------

// Memory of a name that a provider knows ("Cuda"), on a device.
ort_status *ort_create_device_memory_info(const ort_api *api, const char *name, int device, ort_memory_info **info);

ort_status *ort_create_binding(const ort_api *api, ort_session *session, ort_binding **binding);
void ort_release_binding(const ort_api *api, ort_binding *binding);
ort_status *ort_bind_input(const ort_api *api, ort_binding *binding, const char *name, const ort_value *value);
ort_status *ort_bind_output(const ort_api *api, ort_binding *binding, const char *name, const ort_value *value);
// Lets ONNX Runtime allocate the output there.
ort_status *ort_bind_output_to_device(const ort_api *api, ort_binding *binding, const char *name,
                                      const ort_memory_info *memory);
// The outputs in the order in which they were bound: an array from the allocator, to be freed, of values to be released.
ort_status *ort_bound_output_values(const ort_api *api, const ort_binding *binding, ort_allocator *allocator,
                                    ort_value ***values, size_t *count);
void ort_clear_binding(const ort_api *api, ort_binding *binding);
ort_status *ort_run_with_binding(const ort_api *api, ort_session *session, const ort_run_options *options,
                                 const ort_binding *binding);
ort_status *ort_add_run_config(const ort_api *api, ort_run_options *options, const char *key, const char *value);

#endif
