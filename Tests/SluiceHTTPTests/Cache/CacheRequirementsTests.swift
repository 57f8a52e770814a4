// SPDX-License-Identifier: Apache-2.0
import SluiceHTTP
import Testing

@Suite("Response cache, by the requirements of RFC 9111", .timeLimit(.minutes(5)))
struct CacheRequirementsTests {
    @Test("storing", arguments: CacheScript.storing) func storing(_ script: CacheScript) async throws {
        try await script.run()
    }

    @Test("statuses", arguments: CacheScript.statuses) func statuses(_ script: CacheScript) async throws {
        try await script.run()
    }

    @Test("freshness and age", arguments: CacheScript.freshness) func freshness(_ script: CacheScript) async throws {
        try await script.run()
    }

    @Test("request directives", arguments: CacheScript.requests) func requests(_ script: CacheScript) async throws {
        try await script.run()
    }

    @Test("validation", arguments: CacheScript.validation) func validation(_ script: CacheScript) async throws {
        try await script.run()
    }

    @Test("Vary", arguments: CacheScript.varying) func varying(_ script: CacheScript) async throws {
        try await script.run()
    }

    @Test("invalidation", arguments: CacheScript.changes) func changes(_ script: CacheScript) async throws {
        try await script.run()
    }

    @Test("stale answers", arguments: CacheScript.stale) func stale(_ script: CacheScript) async throws {
        try await script.run()
    }
}
