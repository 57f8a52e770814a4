// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import Sluice
import SluiceHTTP
import SluiceTesting
import Testing

@Suite("Pages", .timeLimit(.minutes(5)))
struct PagingTests {
    private func pages(
        _ request: APIRequest, by paging: Paging, maximum: Int = 100, _ transport: ScriptedTransport
    ) async throws -> [String] {
        let client = APIClient("test", transport: transport, time: VirtualTime())
        var texts: [String] = []
        for try await page in client.pages(request, by: paging, maximumPages: maximum) { texts.append(page.text) }
        return texts
    }

    @Test(
        "a link's target is found by its relation",
        arguments: [
            ("</b?page=2>; rel=\"next\"", "/b?page=2"),
            ("<a,b>; rel=prev, <c;d>; title=\"x,<y>; rel=next\"; rel=\"last NEXT\"", "c;d"),
            ("<a>; rel=\"prev\"; rel=\"next\"", nil), ("<a>;rel=next", "a"), ("<a>", nil), ("", nil), ("<a", nil),
        ] as [(String, String?)])
    func links(field: String, target: String?) {
        #expect(LinkHeader.target("next", in: field) == target)
    }

    @Test("are found by links, relative to where the page was")
    func byLink() async throws {
        let transport = ScriptedTransport { request, number in
            number < 3
                ? .init(
                    .ok, fields: [HTTPField.Name("Link")!: "<?page=\(number + 1)>; rel=\"next\""],
                    body: request.path ?? "")
                : .init(.ok, body: request.path ?? "")
        }
        let texts = try await self.pages(
            APIRequest(.get, "https://example.org/list", query: ["size": 5]), by: .linkHeader, transport)
        #expect(texts == ["/list?size=5", "/list?page=2", "/list?page=3"])
    }

    @Test("are found by cursors, and a server that repeats one is found out")
    func byCursor() async throws {
        let transport = ScriptedTransport { request, number in .init(.ok, body: number < 3 ? "c\(number)" : "") }
        let paging = Paging.cursor("after") { $0.text }
        let request = APIRequest(.get, "https://example.org/list")
        #expect(try await self.pages(request, by: paging, transport) == ["c1", "c2", ""])
        #expect(transport.requests.map(\.path) == ["/list", "/list?after=c1", "/list?after=c2"])
        let endless = ScriptedTransport { _, _ in .init(.ok, body: "same") }
        await #expect(throws: APIClientError.self) { try await self.pages(request, by: paging, endless) }
        #expect(endless.requests.count == 2)
    }

    @Test("are found by offsets, and are never more than allowed")
    func byOffset() async throws {
        let transport = ScriptedTransport { _, number in .init(.ok, body: number < 3 ? "xxx" : "x") }
        let paging = Paging.offset(size: 3) { $0.text.count }
        let request = APIRequest(.get, "https://example.org/list", query: ["limit": 3])
        #expect(try await self.pages(request, by: paging, transport).count == 3)
        #expect(
            transport.requests.map(\.path) == ["/list?limit=3", "/list?limit=3&offset=3", "/list?limit=3&offset=6"])
        let endless = ScriptedTransport { _, _ in .init(.ok, body: "xxx") }
        let error = await #expect(throws: APIClientError.self) {
            try await self.pages(request, by: paging, maximum: 4, endless)
        }
        #expect(error?.kind == .bodyTooLarge)
        #expect(endless.requests.count == 4)
    }
}
