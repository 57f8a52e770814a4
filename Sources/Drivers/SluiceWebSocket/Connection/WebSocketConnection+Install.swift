// SPDX-License-Identifier: Apache-2.0
package import HTTPTypes
package import NIOCore

extension WebSocketConnection {
    /// Puts the connection's handler behind the handshake's; called on the event loop.
    package static func install(
        _ role: Role, in context: ChannelHandlerContext, after handshake: any ChannelHandler,
        _ configuration: WebSocketConfiguration, _ agreement: Agreement, _ headers: HTTPFields
    ) throws -> WebSocketConnection {
        let handler = WebSocketHandler(
            state: ConnectionState(limits: configuration.limits), role: role, configuration: configuration,
            agreed: agreement.compression)
        try context.pipeline.syncOperations.addHandler(handler, position: .after(handshake))
        return WebSocketConnection(channel: context.channel, handler: handler, agreed: agreement, headers: headers)
    }
}
