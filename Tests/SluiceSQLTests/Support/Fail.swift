// SPDX-License-Identifier: Apache-2.0
import Testing

/// Records an issue and returns nothing, so that `return fail("…")` ends a test that goes through a million steps.
func fail(_ message: String, at location: SourceLocation = #_sourceLocation) {
    Issue.record("\(message)", sourceLocation: location)
}
