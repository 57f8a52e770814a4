// SPDX-License-Identifier: Apache-2.0
public import NIOCore

extension ScriptedServer.Connection {
    /// Sends bytes as they are.
    public func write(_ bytes: ByteBuffer) async throws {
        try await self.outbound.write(bytes)
    }

    /// Reads whatever comes next.
    ///
    /// - Returns: Nil once the client has closed the connection.
    public func next() async throws -> ByteBuffer? {
        try await self.reader.next()
    }
}
