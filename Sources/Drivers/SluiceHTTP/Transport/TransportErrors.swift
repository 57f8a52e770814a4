// SPDX-License-Identifier: Apache-2.0
import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import NIOHTTP2
import NIOPosix
import NIOSOCKS
import NIOSSL
import Sluice

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Says in our terms what AsyncHTTPClient and NIO report.
enum TransportErrors {
    /// - Parameter mayBeHTTP2: Whether the connection may have carried HTTP/2, where a lost connection proves nothing.
    static func translated(_ error: any Error, mayBeHTTP2: Bool = true) -> any Error {
        switch error {
        case is CancellationError, is APIClientError, is DeadlineReached:
            return error
        case let error as HTTPClientError:
            return Self.translated(error, mayBeHTTP2)
        case let error as ConnectionEnded:
            var lost = Self.lost(error)
            lost.isStaleConnection = error.wasReused
            return lost
        case let error as NIOConnectionError:
            return APIClientError(.unreachable, message: Self.reason(error), cause: error)
        case let error as IOError where Self.connectFailures.contains(error.errnoCode):
            return APIClientError(.unreachable, message: "no connection could be made", cause: error)
        case let error as ChannelError where Self.isConnectTimeout(error):
            return APIClientError(.unreachable, message: "no connection within the connect timeout", cause: error)
        case let error as ChannelError where Self.isClosedChannel(error):
            // It had ended before the request was written, or while it was.
            var lost = Self.lost(error)
            lost.isStaleConnection = true
            return lost
        case is IOError, is ChannelError:
            return APIClientError(.connectionLost, message: "the connection broke", cause: error)
        case let error as HTTPParserError where error == .invalidEOFState:
            return Self.lost(error)
        case is HTTPParserError:
            return APIClientError(.invalidResponse, message: "the answer is not HTTP", cause: error)
        case is SOCKSError.ConnectionFailed, is SOCKSError.NoValidAuthenticationMethod,
            is SOCKSError.InvalidAuthenticationSelection, is SOCKSError.InvalidProtocolVersion,
            is SOCKSError.InvalidReservedByte, is SOCKSError.InvalidAddressType, is SOCKSError.UnexpectedRead:
            return APIClientError(.unreachable, message: "the proxy refused the connection", cause: error)
        case is NIOSSLExtraError:
            return APIClientError(.untrusted, message: "the certificate is another host's", cause: error)
        case let error as NIOSSLError:
            return Self.translated(error)
        case let error as NIOHTTP2Errors.StreamClosed:
            return Self.translated(error)
        default:
            // HTTP/2: a connection or stream that was given up.
            return APIClientError(.connectionLost, message: "the exchange was given up", cause: error)
        }
    }

    /// Whether a server refused a stream, or left without having looked at it.
    static func isRefusedStream(_ error: any Error) -> Bool {
        (error as? NIOHTTP2Errors.StreamClosed)?.errorCode == .refusedStream
    }

    /// A server that refuses a stream says that it did nothing about it, and so does one that leaves and names a last stream before it:
    /// ``LeftStream`` makes the same of that.
    ///
    /// - Source: RFC 9113 §8.7 and §6.8.
    private static func translated(_ error: NIOHTTP2Errors.StreamClosed) -> APIClientError {
        var lost = APIClientError(.connectionLost, message: "the server gave the exchange up", cause: error)
        lost.wasNeverSent = Self.isRefusedStream(error)
        return lost
    }

    private static func translated(_ error: NIOSSLError) -> APIClientError {
        switch error {
        case .handshakeFailed(let reason) where "\(reason)".contains("CERTIFICATE"):
            APIClientError(
                .untrusted, message: "the certificate has expired, or nobody known has signed it", cause: error)
        case .uncleanShutdown: Self.lost(error)
        default: APIClientError(.unreachable, message: "the TLS handshake failed", cause: error)
        }
    }

    private static func translated(_ error: HTTPClientError, _ mayBeHTTP2: Bool) -> any Error {
        switch error {
        case .cancelled:
            return CancellationError()
        case .remoteConnectionClosed:
            // On HTTP/1.1 the watch reports a connection that ended while an answer was due, so what is left here is a request
            // that was given to a connection which had ended already.
            var lost = Self.lost(error)
            lost.wasNeverSent = !mayBeHTTP2
            return lost
        case .uncleanShutdown:
            return Self.lost(error)
        case .connectTimeout, .tlsHandshakeTimeout, .socksHandshakeTimeout, .httpProxyHandshakeTimeout,
            .getConnectionFromPoolTimeout:
            return APIClientError(.unreachable, message: "no connection within the connect timeout", cause: error)
        case .proxyAuthenticationRequired:
            // As for a request in absolute form, to which the proxy's 407 is the answer; nothing went further than to the proxy.
            var refused = APIClientError(
                .status, message: "the proxy asks for other credentials", status: 407, cause: error)
            refused.wasNeverSent = true
            return refused
        case .invalidProxyResponse:
            return APIClientError(.unreachable, message: "the proxy refused the connection", cause: error)
        case .readTimeout:
            return APIClientError(.readTimeout, message: "the server fell silent", cause: error)
        case .writeTimeout:
            return APIClientError(
                .writeTimeout, message: "the request's body brought nothing more in time", cause: error)
        case .invalidURL, .emptyHost, .emptyScheme:
            return APIClientError(.urlNotAllowed, message: "not a URL", cause: error)
        case .bodyLengthMismatch:
            return APIClientError(.bodyFailed, message: "the request's body is not as long as it said", cause: error)
        case .alreadyShutdown:
            return APIClientError(.unreachable, message: "the client is closed", cause: error)
        default:
            return APIClientError(.invalidResponse, message: error.shortDescription, cause: error)
        }
    }

    private static func lost(_ cause: any Error) -> APIClientError {
        APIClientError(
            .connectionLost, message: "the server closed the connection before its answer was complete", cause: cause)
    }

    /// Failures of `connect` itself; any other comes from a connection that stood.
    private static let connectFailures = [ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, EADDRNOTAVAIL]

    private static func isClosedChannel(_ error: ChannelError) -> Bool {
        switch error {
        case .ioOnClosedChannel, .alreadyClosed, .outputClosed: true
        default: false
        }
    }

    private static func isConnectTimeout(_ error: ChannelError) -> Bool {
        if case .connectTimeout = error { true } else { false }
    }

    private static func reason(_ error: NIOConnectionError) -> String {
        if error.connectionErrors.isEmpty { return "the host \(error.host) is not known" }
        return "no address of \(error.host) accepts connections on port \(error.port)"
    }
}
