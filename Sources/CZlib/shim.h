// SPDX-License-Identifier: Apache-2.0

// CZlib: the system's zlib.

#ifndef STRAIT_CZLIB_H
#define STRAIT_CZLIB_H

#include <zlib.h>

#endif
