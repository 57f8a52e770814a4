// SPDX-License-Identifier: Apache-2.0

import HTTPTypes

/// How the next page of a list is found.
public struct Paging: Sendable {
    /// The request for the page after `reply`, which answered `request` and was page `number`, from 1; nil if there is none.
    let next: @Sendable (_ request: APIRequest, _ reply: HTTPReply, _ number: Int) throws -> APIRequest?

    /// Any way.
    ///
    /// - Parameter next: Makes the request for the page after a reply, given the request that the reply answered and the page's
    ///   number, from 1; nil if there is none.
    public init(
        _ next: @escaping @Sendable (_ request: APIRequest, _ reply: HTTPReply, _ number: Int) throws -> APIRequest?
    ) {
        self.next = next
    }

    /// By the link `next` in the field `Link`, RFC 8288.
    public static let linkHeader = Paging { request, reply, _ in
        guard let field = reply.fields[values: .link].joinedFields, let target = LinkHeader.target("next", in: field)
        else { return nil }
        return try request.moved(to: target, from: reply.url)
    }

    /// By a cursor that each page brings for the next.
    ///
    /// - Parameters:
    ///   - parameter: The query's parameter that takes it.
    ///   - cursor: Reads it from a page; nil or an empty one ends the list.
    public static func cursor(
        _ parameter: String, _ cursor: @escaping @Sendable (HTTPReply) throws -> String?
    ) -> Paging {
        Paging { request, reply, _ in
            guard let cursor = try cursor(reply), !cursor.isEmpty else { return nil }
            // A server that names the same page again would have it fetched for ever.
            guard request.query[parameter] != cursor else {
                throw APIClientError(.invalidResponse, message: "the cursor for the next page is this page's own")
            }
            var next = request
            next.query[parameter] = cursor
            return next
        }
    }

    /// By how many entries to skip.
    ///
    /// - Parameters:
    ///   - parameter: The query's parameter that takes the number.
    ///   - size: Entries of a page; fewer, or none, end the list. At least 1.
    ///   - count: Counts a page's entries.
    public static func offset(
        _ parameter: String = "offset", size: Int, _ count: @escaping @Sendable (HTTPReply) throws -> Int
    ) -> Paging {
        precondition(size >= 1, "size must be at least 1 (is \(size))")
        return Paging { request, reply, _ in
            let entries = try count(reply)
            guard entries >= size else { return nil }
            var next = request
            next.query[parameter] = String((request.query[parameter].flatMap(Int.init) ?? 0) + entries)
            return next
        }
    }
}

extension [String] {
    fileprivate var joinedFields: String? { self.isEmpty ? nil : self.joined(separator: ", ") }
}

extension APIRequest {
    /// The same request for another URL, relative to the one it was answered from.
    fileprivate func moved(to target: String, from url: String) throws -> APIRequest {
        var next = self
        next.path = try HTTPTarget(url).resolving(target).text
        next.pathValues = [:]
        next.query = [:]
        // A cache key of the caller's names the first page alone.
        next.cacheKey = nil
        next.route = self.routeTemplate
        return next
    }
}

/// The pages of a list, each fetched when it is asked for.
public struct HTTPPages: AsyncSequence, Sendable {
    /// A page.
    public typealias Element = HTTPReply

    let client: APIClient
    let request: APIRequest
    let paging: Paging
    let maximumPages: Int

    /// Fetches one page after the other.
    public struct Iterator: AsyncIteratorProtocol {
        private let pages: HTTPPages
        private var request: APIRequest?
        private var number = 0
        private var last: HTTPReply?

        init(_ pages: HTTPPages) {
            self.pages = pages
            self.request = pages.request
        }

        /// The next page; nil after the last.
        public mutating func next() async throws -> HTTPReply? {
            if let last = self.last, let request = self.request {
                self.request = try self.pages.paging.next(request, last, self.number)
            }
            guard let request = self.request else { return nil }
            guard self.number < self.pages.maximumPages else {
                self.request = nil
                throw APIClientError(
                    .bodyTooLarge, message: "the list has more than \(self.pages.maximumPages) pages")
            }
            // Whatever goes wrong ends the sequence.
            self.request = nil
            let reply = try await self.pages.client.send(request)
            self.number += 1
            self.last = reply
            self.request = request
            return reply
        }
    }

    /// Begins at the first page.
    public func makeAsyncIterator() -> Iterator { Iterator(self) }
}

extension APIClient {
    /// The pages of a list.
    ///
    /// ```swift
    /// for try await page in client.pages(APIRequest(.get, "/issues"), by: .linkHeader) { … }
    /// ```
    ///
    /// - Parameters:
    ///   - request: Asks for the first page.
    ///   - paging: How the next one is found.
    ///   - maximumPages: How many are fetched at most; there being more is an error, so that no list is taken for whole that is not.
    public func pages(_ request: APIRequest, by paging: Paging, maximumPages: Int = 1_000) -> HTTPPages {
        HTTPPages(client: self, request: request, paging: paging, maximumPages: maximumPages)
    }
}
