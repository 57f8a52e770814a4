// SPDX-License-Identifier: Apache-2.0
import CoreMetrics
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import Sluice
import SluiceSQL
import SluiceTelemetry
import Synchronization

/// Stands around the router: makes each request one operation, answers from the cache, counts and times.
///
/// The operation's id is the client's `x-request-id`, if it sends a valid one, and is sent back under that name. It stands
/// around, and is not a middleware, so that an answer from the cache does not pass the router at all.
struct OperationResponder<Inner: HTTPResponder>: HTTPResponder where Inner.Context == RequestScope {
    let inner: Inner
    let cache: ResponseCache?
    let metrics: RequestMetrics
    let maximumBodyBytes: Int
    let bodyTimeout: Pipeline<Deadline>
    let time: any TimeSource

    // A valid name in the source code cannot fail to be one.
    // swift-format-ignore: NeverForceUnwrap
    private static var requestID: HTTPField.Name { HTTPField.Name("x-request-id")! }

    func respond(to request: Request, context: RequestScope) async throws -> Response {
        var context = context
        context.maxUploadSize = self.maximumBodyBytes
        context.bodyTimeout = self.bodyTimeout
        return try await self.answer(request, as: self.operation(request), context)
    }

    private func operation(_ request: Request) -> OperationContext {
        let id = request.headers[Self.requestID].flatMap { OperationID($0) }
        return OperationContext(name: "http", id: id ?? OperationID(), time: self.time)
    }

    private func answer(
        _ request: Request, as operation: OperationContext, _ context: RequestScope
    ) async throws -> Response {
        try await OperationContext.$current.withValue(operation) {
            let start = self.time.now
            var (response, route) = try await self.answer(request, context)
            response.headers[Self.requestID] = operation.id.description
            let duration = start.duration(to: self.time.now)
            self.metrics.record(request.method, route: route, response.status, duration)
            if context.logger.logLevel <= .debug {
                context.logger.debug(
                    "request",
                    metadata: [
                        "method": "\(request.method)", "route": "\(route ?? "none")",
                        "status": "\(response.status.code)",
                        "durationMilliseconds": "\(duration.milliseconds)",
                    ])
            }
            return response
        }
    }

    /// The answer and the route it came from.
    private func answer(_ request: Request, _ context: RequestScope) async throws -> (Response, String?) {
        guard let cache = self.cache, let key = cache.key(request), let version = await cache.version() else {
            let response = try await self.inner.respond(to: request, context: context)
            return (response, context.endpointPath)
        }
        if let entry = cache.entry(for: key, at: version) { return (entry.response(to: request), entry.route) }
        let response = try await self.inner.respond(to: request, context: context)
        guard let entry = await cache.keep(response, for: key, at: version, route: context.endpointPath) else {
            return (response, context.endpointPath)
        }
        return (entry.response(to: request), entry.route)
    }
}

/// Counts and times requests by method, route and status.
final class RequestMetrics: Sendable {
    private struct Series: Hashable {
        let method: String
        let route: String
        let status: Int
    }

    private struct Handles {
        let count: Counter
        let duration: Timer
    }

    private let factory: any MetricsFactory
    private let handles = Mutex<[Series: Handles]>([:])

    init(factory: any MetricsFactory) {
        self.factory = factory
    }

    /// - Parameter route: The route's pattern, never the path itself: there are as many paths as clients care to invent.
    func record(_ method: HTTPRequest.Method, route: String?, _ status: HTTPResponse.Status, _ duration: Duration) {
        let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"].contains(method.rawValue)
        let series = Series(method: known ? method.rawValue : "other", route: route ?? "none", status: status.code)
        let handles = self.handles.withLock { handles in
            if let present = handles[series] { return present }
            let labels = [("method", series.method), ("route", series.route), ("status", "\(series.status)")]
            let new = Handles(
                count: Counter(label: "sluice_http_requests_total", dimensions: labels, factory: self.factory),
                duration: Timer(
                    label: "sluice_http_request_duration_seconds", dimensions: [labels[1]], factory: self.factory))
            handles[series] = new
            return new
        }
        handles.count.increment()
        handles.duration.recordNanoseconds(duration.clampedNanoseconds)
    }
}
