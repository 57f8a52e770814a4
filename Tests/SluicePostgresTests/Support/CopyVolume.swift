// SPDX-License-Identifier: Apache-2.0

/// How many megabytes the tests copy; `make soak` copies a gigabyte.
let copyMegabytes = 20
