// SPDX-License-Identifier: Apache-2.0
import Foundation
import Hummingbird

/// The limit: Hummingbird alone, answering every request with the same bytes from memory.
///
/// Usage: BareHummingbird PORT FILE
@main
enum BareHummingbird {
    static func main() async throws {
        let arguments = CommandLine.arguments
        guard arguments.count == 3, let port = Int(arguments[1]) else {
            return print("usage: BareHummingbird PORT FILE")
        }
        let body = ByteBuffer(bytes: try Data(contentsOf: URL(fileURLWithPath: arguments[2])))
        let router = Router()
        router.get("clubhouse/matches") { _, _ in
            Response(
                status: .ok, headers: [.contentType: "application/json; charset=utf-8"],
                body: ResponseBody(byteBuffer: body))
        }
        try await Application(router: router, configuration: .init(address: .hostname("127.0.0.1", port: port)))
            .runService()
    }
}
