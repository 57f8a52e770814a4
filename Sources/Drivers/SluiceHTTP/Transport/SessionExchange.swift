// SPDX-License-Identifier: Apache-2.0
import Foundation
import HTTPTypes
import NIOCore
import NIOFoundationCompat
import Sluice
import Synchronization

#if canImport(FoundationNetworking)
    import FoundationNetworking
#endif

/// Hands what a session reports to the exchange it is about.
final class SessionDelegate: NSObject, URLSessionDataDelegate {
    private let exchanges = Mutex<[Int: SessionExchange]>([:])

    func register(_ exchange: SessionExchange, for task: URLSessionTask) {
        self.exchanges.withLock { $0[task.taskIdentifier] = exchange }
    }

    private func exchange(_ task: URLSessionTask) -> SessionExchange? {
        self.exchanges.withLock { $0[task.taskIdentifier] }
    }

    func urlSession(
        _ session: URLSession, dataTask: URLSessionDataTask, didReceive response: URLResponse,
        completionHandler: @escaping @Sendable (URLSession.ResponseDisposition) -> Void
    ) {
        self.exchange(dataTask)?.receive(response)
        completionHandler(.allow)
    }

    func urlSession(_ session: URLSession, dataTask: URLSessionDataTask, didReceive data: Data) {
        self.exchange(dataTask)?.receive(data)
    }

    func urlSession(
        _ session: URLSession, task: URLSessionTask, willPerformHTTPRedirection response: HTTPURLResponse,
        newRequest request: URLRequest, completionHandler: @escaping @Sendable (URLRequest?) -> Void
    ) {
        // Redirects are the client's.
        self.exchange(task)?.receive(response)
        completionHandler(nil)
    }

    func urlSession(_ session: URLSession, task: URLSessionTask, didCompleteWithError error: (any Error)?) {
        let exchange = self.exchanges.withLock { $0.removeValue(forKey: task.taskIdentifier) }
        exchange?.end(error)
    }
}

/// One request of a session and its answer.
final class SessionExchange: Sendable {
    private enum Head: Sendable {
        case head(HTTPResponse)
        case failure(any Error)
    }

    private let head = Suspension<Head>()
    private let hasHead = Atomic(false)
    private let pipe: BodyPipe
    private let place: ConnectionPlace
    /// Keeps a temporary file until the exchange is over.
    private let upload: Upload
    private let holder = TaskHolder()

    init(place: ConnectionPlace, upload: Upload) {
        self.place = place
        self.upload = upload
        let holder = self.holder
        self.pipe = BodyPipe(onRoom: { holder.resume() }, onAbandon: { holder.cancel() })
    }

    func begin(_ task: URLSessionTask) { self.holder.set(task) }

    /// The answer's head, its body on its way.
    func response() async throws -> HTTPTransportResponse {
        let body = self.pipe.body
        let head = await withTaskCancellationHandler {
            await self.head.value()
        } onCancel: {
            self.holder.cancel()
        }
        switch head {
        case .head(let head): return HTTPTransportResponse(head: head, body: body)
        case .failure(let error):
            self.place.leave()
            throw Task.isCancelled ? CancellationError() : error
        }
    }

    func receive(_ response: URLResponse) {
        guard let response = response as? HTTPURLResponse else {
            return self.fail(APIClientError(.invalidResponse, message: "the answer is not HTTP"))
        }
        guard !self.hasHead.exchange(true, ordering: .relaxed) else { return }
        self.head.settle(.head(Self.translated(response)))
    }

    func receive(_ data: Data) {
        let waiting = self.pipe.feed(ByteBuffer(data: data))
        guard waiting >= BodyPipe.highWatermark else { return }
        #if canImport(FoundationNetworking)
            // Swift's own Foundation begins a suspended transfer anew and stops the process when that has no head, so a reader
            // that is far behind has its answer ended instead.
            guard waiting > URLSessionTransport.maximumUnread else { return }
            self.pipe.finish(
                APIClientError(
                    .bodyTooLarge,
                    message:
                        "the reader is more than \(URLSessionTransport.maximumUnread) bytes behind, and a session cannot wait"
                ))
            self.holder.cancel()
        #else
            self.holder.suspend()
            // The reader may have made room before that, and then found nothing to resume.
            if self.pipe.waitingBytes < BodyPipe.highWatermark { self.holder.resume() }
        #endif
    }

    func end(_ error: (any Error)?) {
        let translated = error.map(Self.translated)
        self.pipe.finish(translated)
        self.head.settle(
            .failure(
                translated
                    ?? APIClientError(
                        .connectionLost, message: "the server closed the connection before its answer was complete")))
        self.place.leave()
    }

    private func fail(_ error: APIClientError) {
        self.head.settle(.failure(error))
        self.holder.cancel()
    }

    private static func translated(_ response: HTTPURLResponse) -> HTTPResponse {
        var head = HTTPResponse(status: .init(code: response.statusCode))
        for (name, value) in response.allHeaderFields {
            guard let text = name as? String, let name = HTTPField.Name(text), let value = value as? String else {
                continue
            }
            // A session puts fields of one name together; a cookie's date has commas of its own.
            let values = name == .setCookie ? SetCookieList.split(value) : [value]
            for value in values { head.headerFields.append(HTTPField(name: name, value: value)) }
        }
        let coding = head.headerFields[.contentEncoding]?.lowercased()
        if let coding, coding != "identity" {
            // The session has inflated it.
            head.headerFields[.contentEncoding] = nil
            head.headerFields[.contentLength] = nil
        }
        return head
    }

    private static func translated(_ error: any Error) -> any Error {
        guard let error = error as? URLError else {
            return APIClientError(.connectionLost, message: "the exchange was given up", cause: error)
        }
        switch error.code {
        case .cancelled, .userCancelledAuthentication:
            return CancellationError()
        case .cannotConnectToHost, .cannotFindHost, .dnsLookupFailed, .notConnectedToInternet:
            return APIClientError(.unreachable, message: "no connection could be made", cause: error)
        case .timedOut:
            return APIClientError(.readTimeout, message: "the server fell silent", cause: error)
        case .serverCertificateHasBadDate, .serverCertificateUntrusted, .serverCertificateHasUnknownRoot,
            .serverCertificateNotYetValid, .secureConnectionFailed, .clientCertificateRejected:
            return APIClientError(.untrusted, message: "the certificate is not to be trusted", cause: error)
        case .cannotParseResponse, .cannotDecodeContentData, .cannotDecodeRawData, .unsupportedURL:
            return APIClientError(.invalidResponse, message: "the answer is not HTTP", cause: error)
        default:
            return APIClientError(
                .connectionLost, message: "the server closed the connection before its answer was complete",
                cause: error)
        }
    }
}

/// A session's task, steered from any thread.
private final class TaskHolder: Sendable {
    private struct State {
        var task: URLSessionTask?
        var isSuspended = false
        var isCancelled = false
    }

    private let state = Mutex(State())

    func set(_ task: URLSessionTask) {
        let isCancelled = self.state.withLock { state in
            state.task = task
            return state.isCancelled
        }
        if isCancelled { task.cancel() }
    }

    func cancel() {
        let task = self.state.withLock { state in
            state.isCancelled = true
            return state.task
        }
        task?.cancel()
    }

    // Both under the lock, so that they come to the task in the order they were decided in; neither calls back.
    func suspend() {
        self.state.withLock { state in
            guard !state.isSuspended, !state.isCancelled else { return }
            state.isSuspended = true
            state.task?.suspend()
        }
    }

    func resume() {
        self.state.withLock { state in
            guard state.isSuspended else { return }
            state.isSuspended = false
            state.task?.resume()
        }
    }
}

/// `Set-Cookie` fields that were put together with commas.
enum SetCookieList {
    /// The fields: a comma parts two where what follows it begins with a name and an equals sign.
    static func split(_ text: String) -> [String] {
        var fields: [String] = []
        var current = ""
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            if !current.isEmpty, Self.beginsCookie(part) {
                fields.append(current.trimmingSpaces.description)
                current = String(part)
            } else {
                current += current.isEmpty ? String(part) : "," + part
            }
        }
        if !current.isEmpty { fields.append(String(current.trimmingSpaces)) }
        return fields
    }

    private static func beginsCookie(_ part: Substring) -> Bool {
        let text = part.trimmingSpaces
        guard let equals = text.firstIndex(of: "="), equals != text.startIndex else { return false }
        return !text[..<equals].contains { $0 == ";" || $0 == " " }
    }
}
