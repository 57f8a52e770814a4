// SPDX-License-Identifier: Apache-2.0

/// How many megabytes the tests copy; `make soak MEGABYTES=…` copies as many as it is told.
let copyMegabytes = 20
