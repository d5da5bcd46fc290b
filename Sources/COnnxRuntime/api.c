// SPDX-License-Identifier: Apache-2.0

// One thin function for each slot that is used: the cast to the slot's type is all that happens here.

#include "COnnxRuntime.h"

#include "slots.h"

// Shapes cross as intptr_t, which Swift sees as Int; the table wants int64_t.
_Static_assert(sizeof(intptr_t) == sizeof(int64_t), "only 64-bit platforms are supported");

// The table, as functions of no particular type.
struct ort_api {
    void (*functions[ORT_SLOT_LIMIT])(void);
};

// The function at a slot, as what it is.
#define FUNCTION(slot, result, parameters) ((result(*) parameters)api->functions[slot])

// -- status ----------------------------------------------------------------------------------------------------------

int ort_status_code(const ort_api *api, const ort_status *status) {
    return FUNCTION(SLOT_GET_ERROR_CODE, int, (const ort_status *))(status);
}

const char *ort_status_message(const ort_api *api, const ort_status *status) {
    return FUNCTION(SLOT_GET_ERROR_MESSAGE, const char *, (const ort_status *))(status);
}

void ort_release_status(const ort_api *api, ort_status *status) {
    FUNCTION(SLOT_RELEASE_STATUS, void, (ort_status *))(status);
}

// -- environment and memory ------------------------------------------------------------------------------------------

ort_status *ort_create_env(const ort_api *api, int severity, const char *log_id, ort_env **env) {
    return FUNCTION(SLOT_CREATE_ENV, ort_status *, (int, const char *, ort_env **))(severity, log_id, env);
}

void ort_release_env(const ort_api *api, ort_env *env) {
    FUNCTION(SLOT_RELEASE_ENV, void, (ort_env *))(env);
}

ort_status *ort_create_cpu_memory_info(const ort_api *api, ort_memory_info **info) {
    enum { ARENA_ALLOCATOR = 1, DEFAULT_MEMORY = 0 };
    return FUNCTION(SLOT_CREATE_CPU_MEMORY_INFO, ort_status *, (int, int, ort_memory_info **))(
        ARENA_ALLOCATOR, DEFAULT_MEMORY, info);
}

void ort_release_memory_info(const ort_api *api, ort_memory_info *info) {
    FUNCTION(SLOT_RELEASE_MEMORY_INFO, void, (ort_memory_info *))(info);
}

ort_status *ort_default_allocator(const ort_api *api, ort_allocator **allocator) {
    return FUNCTION(SLOT_DEFAULT_ALLOCATOR, ort_status *, (ort_allocator **))(allocator);
}

ort_status *ort_allocator_free(const ort_api *api, ort_allocator *allocator, void *memory) {
    return FUNCTION(SLOT_ALLOCATOR_FREE, ort_status *, (ort_allocator *, void *))(allocator, memory);
}

// -- session options -------------------------------------------------------------------------------------------------

ort_status *ort_create_session_options(const ort_api *api, ort_session_options **options) {
    return FUNCTION(SLOT_CREATE_SESSION_OPTIONS, ort_status *, (ort_session_options **))(options);
}

void ort_release_session_options(const ort_api *api, ort_session_options *options) {
    FUNCTION(SLOT_RELEASE_SESSION_OPTIONS, void, (ort_session_options *))(options);
}

ort_status *ort_set_sequential_execution(const ort_api *api, ort_session_options *options) {
    enum { SEQUENTIAL = 0 };
    return FUNCTION(SLOT_SET_EXECUTION_MODE, ort_status *, (ort_session_options *, int))(options, SEQUENTIAL);
}

ort_status *ort_set_session_severity(const ort_api *api, ort_session_options *options, int severity) {
    return FUNCTION(SLOT_SET_SESSION_SEVERITY, ort_status *, (ort_session_options *, int))(options, severity);
}

ort_status *ort_set_graph_optimization(const ort_api *api, ort_session_options *options, int level) {
    return FUNCTION(SLOT_SET_GRAPH_OPTIMIZATION, ort_status *, (ort_session_options *, int))(options, level);
}

ort_status *ort_set_intra_op_threads(const ort_api *api, ort_session_options *options, int count) {
    return FUNCTION(SLOT_SET_INTRA_OP_THREADS, ort_status *, (ort_session_options *, int))(options, count);
}

ort_status *ort_set_inter_op_threads(const ort_api *api, ort_session_options *options, int count) {
    return FUNCTION(SLOT_SET_INTER_OP_THREADS, ort_status *, (ort_session_options *, int))(options, count);
}

ort_status *ort_add_session_config(const ort_api *api, ort_session_options *options, const char *key,
                                   const char *value) {
    return FUNCTION(SLOT_ADD_SESSION_CONFIG, ort_status *, (ort_session_options *, const char *, const char *))(
        options, key, value);
}

// -- session ---------------------------------------------------------------------------------------------------------

ort_status *ort_create_session(const ort_api *api, const ort_env *env, const char *path,
                               const ort_session_options *options, ort_session **session) {
    return FUNCTION(SLOT_CREATE_SESSION, ort_status *,
                    (const ort_env *, const char *, const ort_session_options *, ort_session **))(
        env, path, options, session);
}

void ort_release_session(const ort_api *api, ort_session *session) {
    FUNCTION(SLOT_RELEASE_SESSION, void, (ort_session *))(session);
}

ort_status *ort_session_input_count(const ort_api *api, const ort_session *session, size_t *count) {
    return FUNCTION(SLOT_SESSION_INPUT_COUNT, ort_status *, (const ort_session *, size_t *))(session, count);
}

ort_status *ort_session_output_count(const ort_api *api, const ort_session *session, size_t *count) {
    return FUNCTION(SLOT_SESSION_OUTPUT_COUNT, ort_status *, (const ort_session *, size_t *))(session, count);
}

ort_status *ort_session_input_name(const ort_api *api, const ort_session *session, size_t index,
                                   ort_allocator *allocator, char **name) {
    return FUNCTION(SLOT_SESSION_INPUT_NAME, ort_status *, (const ort_session *, size_t, ort_allocator *, char **))(
        session, index, allocator, name);
}

ort_status *ort_session_output_name(const ort_api *api, const ort_session *session, size_t index,
                                    ort_allocator *allocator, char **name) {
    return FUNCTION(SLOT_SESSION_OUTPUT_NAME, ort_status *, (const ort_session *, size_t, ort_allocator *, char **))(
        session, index, allocator, name);
}

ort_status *ort_session_input_type(const ort_api *api, const ort_session *session, size_t index,
                                   ort_type_info **type) {
    return FUNCTION(SLOT_SESSION_INPUT_TYPE, ort_status *, (const ort_session *, size_t, ort_type_info **))(
        session, index, type);
}

ort_status *ort_session_output_type(const ort_api *api, const ort_session *session, size_t index,
                                    ort_type_info **type) {
    return FUNCTION(SLOT_SESSION_OUTPUT_TYPE, ort_status *, (const ort_session *, size_t, ort_type_info **))(
        session, index, type);
}

ort_status *ort_run(const ort_api *api, ort_session *session, const ort_run_options *options,
                    const char *const *input_names, const ort_value *const *inputs, size_t input_count,
                    const char *const *output_names, size_t output_count, ort_value **outputs) {
    return FUNCTION(SLOT_RUN, ort_status *,
                    (ort_session *, const ort_run_options *, const char *const *, const ort_value *const *, size_t,
                     const char *const *, size_t, ort_value **))(
        session, options, input_names, inputs, input_count, output_names, output_count, outputs);
}

ort_status *ort_session_metadata(const ort_api *api, const ort_session *session, ort_model_metadata **metadata) {
    return FUNCTION(SLOT_SESSION_METADATA, ort_status *, (const ort_session *, ort_model_metadata **))(
        session, metadata);
}

void ort_release_metadata(const ort_api *api, ort_model_metadata *metadata) {
    FUNCTION(SLOT_RELEASE_METADATA, void, (ort_model_metadata *))(metadata);
}

ort_status *ort_metadata_lookup(const ort_api *api, const ort_model_metadata *metadata, ort_allocator *allocator,
                                const char *key, char **value) {
    return FUNCTION(SLOT_METADATA_LOOKUP, ort_status *,
                    (const ort_model_metadata *, ort_allocator *, const char *, char **))(
        metadata, allocator, key, value);
}

ort_status *ort_metadata_keys(const ort_api *api, const ort_model_metadata *metadata, ort_allocator *allocator,
                              char ***keys, int64_t *count) {
    return FUNCTION(SLOT_METADATA_KEYS, ort_status *,
                    (const ort_model_metadata *, ort_allocator *, char ***, int64_t *))(
        metadata, allocator, keys, count);
}

// -- run options -----------------------------------------------------------------------------------------------------

ort_status *ort_create_run_options(const ort_api *api, ort_run_options **options) {
    return FUNCTION(SLOT_CREATE_RUN_OPTIONS, ort_status *, (ort_run_options **))(options);
}

void ort_release_run_options(const ort_api *api, ort_run_options *options) {
    FUNCTION(SLOT_RELEASE_RUN_OPTIONS, void, (ort_run_options *))(options);
}

ort_status *ort_set_terminate(const ort_api *api, ort_run_options *options) {
    return FUNCTION(SLOT_SET_TERMINATE, ort_status *, (ort_run_options *))(options);
}

ort_status *ort_unset_terminate(const ort_api *api, ort_run_options *options) {
    return FUNCTION(SLOT_UNSET_TERMINATE, ort_status *, (ort_run_options *))(options);
}

// -- types and shapes ------------------------------------------------------------------------------------------------

void ort_release_type_info(const ort_api *api, ort_type_info *type) {
    FUNCTION(SLOT_RELEASE_TYPE_INFO, void, (ort_type_info *))(type);
}

ort_status *ort_type_kind(const ort_api *api, const ort_type_info *type, int *kind) {
    return FUNCTION(SLOT_TYPE_KIND, ort_status *, (const ort_type_info *, int *))(type, kind);
}

ort_status *ort_type_as_tensor(const ort_api *api, const ort_type_info *type, const ort_tensor_info **info) {
    return FUNCTION(SLOT_TYPE_AS_TENSOR, ort_status *, (const ort_type_info *, const ort_tensor_info **))(type, info);
}

void ort_release_tensor_info(const ort_api *api, ort_tensor_info *info) {
    FUNCTION(SLOT_RELEASE_TENSOR_INFO, void, (ort_tensor_info *))(info);
}

ort_status *ort_element_type(const ort_api *api, const ort_tensor_info *info, int *type) {
    return FUNCTION(SLOT_ELEMENT_TYPE, ort_status *, (const ort_tensor_info *, int *))(info, type);
}

ort_status *ort_rank(const ort_api *api, const ort_tensor_info *info, size_t *rank) {
    return FUNCTION(SLOT_RANK, ort_status *, (const ort_tensor_info *, size_t *))(info, rank);
}

ort_status *ort_dimensions(const ort_api *api, const ort_tensor_info *info, intptr_t *dimensions, size_t rank) {
    return FUNCTION(SLOT_DIMENSIONS, ort_status *, (const ort_tensor_info *, intptr_t *, size_t))(
        info, dimensions, rank);
}

ort_status *ort_symbolic_dimensions(const ort_api *api, const ort_tensor_info *info, const char **names,
                                    size_t rank) {
    return FUNCTION(SLOT_SYMBOLIC_DIMENSIONS, ort_status *, (const ort_tensor_info *, const char **, size_t))(
        info, names, rank);
}

// -- values ----------------------------------------------------------------------------------------------------------

ort_status *ort_create_tensor_over(const ort_api *api, const ort_memory_info *memory, void *bytes, size_t byte_count,
                                   const intptr_t *shape, size_t rank, int element_type, ort_value **value) {
    return FUNCTION(SLOT_CREATE_TENSOR_OVER, ort_status *,
                    (const ort_memory_info *, void *, size_t, const intptr_t *, size_t, int, ort_value **))(
        memory, bytes, byte_count, shape, rank, element_type, value);
}

ort_status *ort_create_tensor(const ort_api *api, ort_allocator *allocator, const intptr_t *shape, size_t rank,
                              int element_type, ort_value **value) {
    return FUNCTION(SLOT_CREATE_TENSOR, ort_status *, (ort_allocator *, const intptr_t *, size_t, int, ort_value **))(
        allocator, shape, rank, element_type, value);
}

void ort_release_value(const ort_api *api, ort_value *value) {
    FUNCTION(SLOT_RELEASE_VALUE, void, (ort_value *))(value);
}

ort_status *ort_value_is_tensor(const ort_api *api, const ort_value *value, int *is_tensor) {
    return FUNCTION(SLOT_IS_TENSOR, ort_status *, (const ort_value *, int *))(value, is_tensor);
}

ort_status *ort_value_tensor_info(const ort_api *api, const ort_value *value, ort_tensor_info **info) {
    return FUNCTION(SLOT_VALUE_TENSOR_INFO, ort_status *, (const ort_value *, ort_tensor_info **))(value, info);
}

ort_status *ort_value_data(const ort_api *api, ort_value *value, void **data) {
    return FUNCTION(SLOT_TENSOR_DATA, ort_status *, (ort_value *, void **))(value, data);
}

ort_status *ort_string_buffer(const ort_api *api, ort_value *value, size_t index, size_t length, char **buffer) {
    return FUNCTION(SLOT_STRING_BUFFER, ort_status *, (ort_value *, size_t, size_t, char **))(
        value, index, length, buffer);
}

ort_status *ort_strings_byte_count(const ort_api *api, const ort_value *value, size_t *count) {
    return FUNCTION(SLOT_STRINGS_BYTE_COUNT, ort_status *, (const ort_value *, size_t *))(value, count);
}

ort_status *ort_strings_content(const ort_api *api, const ort_value *value, void *bytes, size_t byte_count,
                                size_t *offsets, size_t offset_count) {
    return FUNCTION(SLOT_STRINGS_CONTENT, ort_status *, (const ort_value *, void *, size_t, size_t *, size_t))(
        value, bytes, byte_count, offsets, offset_count);
}

// -- execution providers ---------------------------------------------------------------------------------------------

ort_status *ort_available_providers(const ort_api *api, char ***names, int *count) {
    return FUNCTION(SLOT_AVAILABLE_PROVIDERS, ort_status *, (char ***, int *))(names, count);
}

void ort_release_available_providers(const ort_api *api, char **names, int count) {
    ort_status *status = FUNCTION(SLOT_RELEASE_AVAILABLE_PROVIDERS, ort_status *, (char **, int))(names, count);
    if (status != NULL) {
        ort_release_status(api, status);
    }
}

ort_status *ort_create_cuda_options(const ort_api *api, ort_cuda_options **options) {
    return FUNCTION(SLOT_CREATE_CUDA_OPTIONS, ort_status *, (ort_cuda_options **))(options);
}

ort_status *ort_update_cuda_options(const ort_api *api, ort_cuda_options *options, const char *const *keys,
                                    const char *const *values, size_t count) {
    return FUNCTION(SLOT_UPDATE_CUDA_OPTIONS, ort_status *,
                    (ort_cuda_options *, const char *const *, const char *const *, size_t))(
        options, keys, values, count);
}

ort_status *ort_set_cuda_pointer(const ort_api *api, ort_cuda_options *options, const char *key, void *value) {
    return FUNCTION(SLOT_UPDATE_CUDA_OPTIONS_WITH_VALUE, ort_status *, (ort_cuda_options *, const char *, void *))(
        options, key, value);
}

ort_status *ort_append_cuda(const ort_api *api, ort_session_options *session, const ort_cuda_options *options) {
    return FUNCTION(SLOT_APPEND_CUDA, ort_status *, (ort_session_options *, const ort_cuda_options *))(
        session, options);
}

void ort_release_cuda_options(const ort_api *api, ort_cuda_options *options) {
    FUNCTION(SLOT_RELEASE_CUDA_OPTIONS, void, (ort_cuda_options *))(options);
}

ort_status *ort_create_tensorrt_options(const ort_api *api, ort_tensorrt_options **options) {
    return FUNCTION(SLOT_CREATE_TENSORRT_OPTIONS, ort_status *, (ort_tensorrt_options **))(options);
}

ort_status *ort_update_tensorrt_options(const ort_api *api, ort_tensorrt_options *options, const char *const *keys,
                                        const char *const *values, size_t count) {
    return FUNCTION(SLOT_UPDATE_TENSORRT_OPTIONS, ort_status *,
                    (ort_tensorrt_options *, const char *const *, const char *const *, size_t))(
        options, keys, values, count);
}

ort_status *ort_append_tensorrt(const ort_api *api, ort_session_options *session,
                                const ort_tensorrt_options *options) {
    return FUNCTION(SLOT_APPEND_TENSORRT, ort_status *, (ort_session_options *, const ort_tensorrt_options *))(
        session, options);
}

void ort_release_tensorrt_options(const ort_api *api, ort_tensorrt_options *options) {
    FUNCTION(SLOT_RELEASE_TENSORRT_OPTIONS, void, (ort_tensorrt_options *))(options);
}

// -- memory of devices, and runs on it ---------------------------------------------------------------------------------

ort_status *ort_create_device_memory_info(const ort_api *api, const char *name, int device, ort_memory_info **info) {
    enum { DEVICE_ALLOCATOR = 0, DEFAULT_MEMORY = 0 };
    return FUNCTION(SLOT_CREATE_MEMORY_INFO, ort_status *, (const char *, int, int, int, ort_memory_info **))(
        name, DEVICE_ALLOCATOR, device, DEFAULT_MEMORY, info);
}

ort_status *ort_create_binding(const ort_api *api, ort_session *session, ort_binding **binding) {
    return FUNCTION(SLOT_CREATE_BINDING, ort_status *, (ort_session *, ort_binding **))(session, binding);
}

void ort_release_binding(const ort_api *api, ort_binding *binding) {
    FUNCTION(SLOT_RELEASE_BINDING, void, (ort_binding *))(binding);
}

ort_status *ort_bind_input(const ort_api *api, ort_binding *binding, const char *name, const ort_value *value) {
    return FUNCTION(SLOT_BIND_INPUT, ort_status *, (ort_binding *, const char *, const ort_value *))(
        binding, name, value);
}

ort_status *ort_bind_output(const ort_api *api, ort_binding *binding, const char *name, const ort_value *value) {
    return FUNCTION(SLOT_BIND_OUTPUT, ort_status *, (ort_binding *, const char *, const ort_value *))(
        binding, name, value);
}

ort_status *ort_bind_output_to_device(const ort_api *api, ort_binding *binding, const char *name,
                                      const ort_memory_info *memory) {
    return FUNCTION(SLOT_BIND_OUTPUT_TO_DEVICE, ort_status *, (ort_binding *, const char *, const ort_memory_info *))(
        binding, name, memory);
}

ort_status *ort_bound_output_values(const ort_api *api, const ort_binding *binding, ort_allocator *allocator,
                                    ort_value ***values, size_t *count) {
    return FUNCTION(SLOT_BOUND_OUTPUT_VALUES, ort_status *,
                    (const ort_binding *, ort_allocator *, ort_value ***, size_t *))(
        binding, allocator, values, count);
}

void ort_clear_binding(const ort_api *api, ort_binding *binding) {
    FUNCTION(SLOT_CLEAR_BOUND_INPUTS, void, (ort_binding *))(binding);
    FUNCTION(SLOT_CLEAR_BOUND_OUTPUTS, void, (ort_binding *))(binding);
}

ort_status *ort_run_with_binding(const ort_api *api, ort_session *session, const ort_run_options *options,
                                 const ort_binding *binding) {
    return FUNCTION(SLOT_RUN_WITH_BINDING, ort_status *,
                    (ort_session *, const ort_run_options *, const ort_binding *))(session, options, binding);
}

ort_status *ort_add_run_config(const ort_api *api, ort_run_options *options, const char *key, const char *value) {
    return FUNCTION(SLOT_ADD_RUN_CONFIG, ort_status *, (ort_run_options *, const char *, const char *))(
        options, key, value);
}
