// SPDX-License-Identifier: Apache-2.0

// Tells ThreadSanitizer of what it cannot see (see threadsanitizer.c). There is nothing to call.
#pragma once
