// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE

#include "CPlatform.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <linux/userfaultfd.h>
#include <malloc.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

// Younger than the headers of some systems that this is built on: Linux 5.11 and 6.7.
#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif
#define ASYNCHRONOUS_WRITE_PROTECTION (1ULL << 15)

// Visits what is mapped of the files of code: all that is never written and thus the same in the file.
typedef void visit(uintptr_t start, uintptr_t end, void *context);

struct visitor {
    visit *visit;
    void *context;
};

static int visit_object(struct dl_phdr_info *object, size_t size, void *context) {
    (void)size;
    const struct visitor *visitor = context;
    // The kernel's own object is no file.
    if (object->dlpi_addr == getauxval(AT_SYSINFO_EHDR)) return 0;
    for (int index = 0; index < object->dlpi_phnum; index++) {
        const ElfW(Phdr) *part = &object->dlpi_phdr[index];
        if (part->p_type != PT_LOAD || part->p_flags & PF_W) continue;
        uintptr_t start = object->dlpi_addr + part->p_vaddr;
        visitor->visit(start, start + part->p_filesz, visitor->context);
    }
    return 0;
}

static void visit_code(visit *visit, void *context) {
    struct visitor visitor = {.visit = visit, .context = context};
    dl_iterate_phdr(visit_object, &visitor);
}

static uintptr_t page_of(uintptr_t address) { return address & ~(uintptr_t)(sysconf(_SC_PAGESIZE) - 1); }

static uintptr_t page_after(uintptr_t address) { return page_of(address + (uintptr_t)sysconf(_SC_PAGESIZE) - 1); }

struct watch {
    int descriptor;
    int error;
};

// Whole mappings, and those end with pages.
static void watch_range(uintptr_t start, uintptr_t end, void *context) {
    struct watch *watch = context;
    struct uffdio_register range = {.mode = UFFDIO_REGISTER_MODE_WP};
    range.range.start = page_of(start);
    range.range.len = page_after(end) - page_of(start);
    if (ioctl(watch->descriptor, UFFDIO_REGISTER, &range) != 0) watch->error = errno;
}

int platform_map_only_used_code(void) {
    // Stays open: what it watches is watched no longer than that.
    static int descriptor = -1;
    if (descriptor < 0) {
        int opened = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
        if (opened < 0) return errno;
        struct uffdio_api api = {.api = UFFD_API, .features = ASYNCHRONOUS_WRITE_PROTECTION};
        if (ioctl(opened, UFFDIO_API, &api) != 0) {
            int error = errno;
            close(opened);
            return error;
        }
        descriptor = opened;
    }
    struct watch watch = {.descriptor = descriptor};
    visit_code(watch_range, &watch);
    return watch.error;
}

// Only whole pages: of one that is shared with something else that may have been written.
static void forget_range(uintptr_t start, uintptr_t end, void *context) {
    (void)context;
    if (page_of(end) > page_after(start)) madvise((void *)page_after(start), page_of(end) - page_after(start), MADV_DONTNEED);
}

void platform_forget_code(void) {
    visit_code(forget_range, NULL);
    malloc_trim(0);
}
