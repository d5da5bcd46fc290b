// SPDX-License-Identifier: Apache-2.0

// Opens the library and says why not where it cannot.

#define _GNU_SOURCE  // dladdr
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "COnnxRuntime.h"

// What the library's one exported function returns.
struct api_base {
    const ort_api *(*get_api)(uint32_t version);
    const char *(*version)(void);
};

typedef const struct api_base *(*get_api_base)(void);

// Whether a version string is one known not to serve the API that is needed. The API's number is that of the minor
// version. Asked first, because the library itself prints a complaint when asked for an API that it does not have.
static int is_too_old(const char *version) {
    int major = 0, minor = 0;
    if (sscanf(version, "%d.%d", &major, &minor) != 2) {
        return 0;
    }
    return major < 1 || (major == 1 && minor < ORT_REQUIRED_API);
}

static ort_library refuse(ort_load_outcome outcome, void *library) {
    // Closed, so that a later candidate of the same name is not answered with this one. Nothing of it runs yet.
    if (library != NULL) {
        dlclose(library);
    }
    return (ort_library){.outcome = outcome};
}

ort_library ort_load(const char *path, char *reason, size_t reason_capacity) {
    snprintf(reason, reason_capacity, "%s", "");
    // From 1.32 on it would keep an identity of this machine under HOME, and a queue of usage data for its makers.
    setenv("ORT_DISABLE_TELEMETRY", "1", 0);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        const char *why = dlerror();
        snprintf(reason, reason_capacity, "%s", why != NULL ? why : "the loader gave no reason");
        return refuse(ORT_CANNOT_OPEN, NULL);
    }

    get_api_base entry = (get_api_base)dlsym(library, "OrtGetApiBase");
    const struct api_base *base = entry != NULL ? entry() : NULL;
    if (base == NULL || base->get_api == NULL || base->version == NULL) {
        snprintf(reason, reason_capacity, "not ONNX Runtime: it does not offer OrtGetApiBase");
        return refuse(ORT_NOT_ONNX_RUNTIME, library);
    }

    const char *version = base->version();
    if (version == NULL) {
        version = "unknown";
    }
    const ort_api *api = is_too_old(version) ? NULL : base->get_api(ORT_REQUIRED_API);
    if (api == NULL) {
        snprintf(reason, reason_capacity, "version %s is too old: 1.%d or newer is needed", version, ORT_REQUIRED_API);
        return refuse(ORT_TOO_OLD, library);
    }

    Dl_info where;
    const char *found = dladdr((void *)entry, &where) != 0 && where.dli_fname != NULL ? where.dli_fname : "";
    return (ort_library){.outcome = ORT_LOADED, .api = api, .version = version, .path = found};
}
