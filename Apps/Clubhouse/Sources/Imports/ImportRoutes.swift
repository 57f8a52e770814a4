// SPDX-License-Identifier: Apache-2.0
import Foundation
import Hummingbird
import NIOCore
import SluiceServer

/// `POST /clubhouse/imports`.
struct ImportRoutes {
    let importer: SeasonImporter

    private struct Order: Decodable {
        let url: String
    }

    func add(to routes: RouterGroup<RequestScope>) {
        routes.post("imports") { request, context in
            let body = try await context.body(of: request)
            let order = try Self.order(Data(body.readableBytesView))
            do {
                return ImportReply(summary: try await self.importer.importSeason(at: order.url))
            } catch {
                throw ImportProblem.problem(error)
            }
        }
    }

    private static func order(_ data: Data) throws(Problem) -> Order {
        do {
            return try JSONDecoder().decode(Order.self, from: data)
        } catch {
            throw Problem(
                .unprocessableContent, "invalid-request", title: "Not an import order",
                detail: #"The body must be JSON: {"url": "https://…"}."#)
        }
    }
}

struct ImportReply: ResponseEncodable {
    let summary: ImportSummary

    func encode(to encoder: any Encoder) throws {
        try self.summary.encode(to: encoder)
    }
}
