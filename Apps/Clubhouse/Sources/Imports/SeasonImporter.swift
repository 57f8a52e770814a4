// SPDX-License-Identifier: Apache-2.0
public import Foundation
import HTTPTypes
import Logging
import NIOCore
import Sluice
import SluiceHTTP

/// Brings a season from its source into the database.
public struct SeasonImporter: Sendable {
    let matches: MatchRepository
    let client: APIClient
    let logger: Logger
    let maximumBytes: Int

    /// Imports the season at a URL, or, if it has not changed since the last time, finds that out with one small request.
    ///
    /// - Throws: `SluiceServer.Problem`, ``SeasonFileError`` or `SQLError`; nothing is stored then.
    public func importSeason(at url: String) async throws -> ImportSummary {
        let known = try await self.matches.source(url)
        let reply = try await self.fetch(url, known)
        if reply.status == .notModified, let known {
            if let summary = try await self.matches.unchanged(known) {
                self.log(summary)
                return summary
            }
            // Somebody else's import came in between: what is stored is no longer what the source was compared with.
            return try await self.store(try await self.fetch(url, nil), url)
        }
        return try await self.store(reply, url)
    }

    /// Imports the season in a file's content.
    public func importSeason(_ data: Data) async throws -> ImportSummary {
        guard data.count <= self.maximumBytes else { throw ImportProblem.tooLarge(self.maximumBytes) }
        let summary = try await self.matches.store(try SeasonFile(data), from: nil)
        self.log(summary)
        return summary
    }

    private func fetch(_ url: String, _ known: SeasonSource?) async throws -> HTTPReply {
        var fields: HTTPFields = [.accept: "application/json"]
        if let etag = known?.etag { fields[.ifNoneMatch] = etag }
        if let date = known?.lastModified { fields[.ifModifiedSince] = date }
        do {
            return try await self.client.get(url, fields: fields)
        } catch {
            throw ImportProblem.problem(fetching: error)
        }
    }

    private func store(_ reply: HTTPReply, _ url: String) async throws -> ImportSummary {
        // Of the other successes some have no body, and a 304 that nobody asked for has none either.
        guard reply.status == .ok else { throw ImportProblem.unexpected(reply.status) }
        let file = try SeasonFile(Data(reply.body.readableBytesView))
        let source = SeasonSource(url: url, etag: reply.fields[.eTag], lastModified: reply.fields[.lastModified])
        let summary = try await self.matches.store(file, from: source)
        self.log(summary)
        return summary
    }

    private func log(_ summary: ImportSummary) {
        self.logger.info(
            "season imported",
            metadata: [
                "season": "\(summary.season)", "new": "\(summary.new)", "changed": "\(summary.changed)",
                "unchanged": "\(summary.unchanged)",
            ])
    }
}
