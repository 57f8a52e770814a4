// SPDX-License-Identifier: Apache-2.0
// Swift's Glibc module leaves these out.
#pragma once

#if defined(__linux__)
#include <sys/epoll.h>
#include <sys/eventfd.h>
#endif
