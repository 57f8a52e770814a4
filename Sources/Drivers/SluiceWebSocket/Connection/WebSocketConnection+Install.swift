// SPDX-License-Identifier: Apache-2.0
package import HTTPTypes
package import NIOCore

extension WebSocketConnection {
    /// What has done its duty once the connection is there, and would only take memory for as long as it lives.
    private static let handshakeFields: Set<HTTPField.Name> = [
        .upgrade, .connection, .secWebSocketKey, .secWebSocketAccept, .secWebSocketVersion, .secWebSocketProtocol,
        .secWebSocketExtensions,
    ]

    /// Puts the connection's handler behind the handshake's; called on the event loop.
    package static func install(
        _ role: Role, in context: ChannelHandlerContext, after handshake: any ChannelHandler,
        _ configuration: WebSocketConfiguration, _ agreement: Agreement, _ headers: HTTPFields
    ) throws -> WebSocketConnection {
        let handler = WebSocketHandler(
            state: ConnectionState(limits: configuration.limits), role: role, configuration: configuration,
            agreed: agreement.compression)
        try context.pipeline.syncOperations.addHandler(handler, position: .after(handshake))
        var rest = HTTPFields()
        for field in headers where !self.handshakeFields.contains(field.name) { rest.append(field) }
        return WebSocketConnection(channel: context.channel, handler: handler, agreed: agreement, headers: rest)
    }
}
