// SPDX-License-Identifier: Apache-2.0

/// What both sides have agreed on: the parameters of the server's answer.
///
/// - Source: RFC 7692 §5 and §7.1.
package struct AgreedCompression: Sendable, Equatable {
    package var serverNoContextTakeover = false
    package var clientNoContextTakeover = false
    package var serverMaxWindowBits = 15
    package var clientMaxWindowBits = 15

    /// The one extension there is here.
    static let name = "permessage-deflate"

    /// What the client asks for.
    static func offer(_ wanted: WebSocketCompression) -> String {
        var offer = self.name
        if wanted.serverNoContextTakeover { offer += "; server_no_context_takeover" }
        if wanted.clientNoContextTakeover { offer += "; client_no_context_takeover" }
        if wanted.serverMaxWindowBits < 15 { offer += "; server_max_window_bits=\(wanted.serverMaxWindowBits)" }
        // Said in any case, since only then the server may choose.
        offer += "; client_max_window_bits"
        if wanted.clientMaxWindowBits < 15 { offer += "=\(wanted.clientMaxWindowBits)" }
        return offer
    }

    /// What the server answers to the first offer that it can keep to, and what is agreed then; nil if there is none.
    package static func answer(
        to offers: [ExtensionOffer], _ wanted: WebSocketCompression
    ) -> (header: String, agreed: AgreedCompression)? {
        for offer in offers where offer.name == self.name {
            if let answer = self.answer(to: offer, wanted) { return answer }
        }
        return nil
    }

    private static func answer(
        to offer: ExtensionOffer, _ wanted: WebSocketCompression
    ) -> (header: String, agreed: AgreedCompression)? {
        guard let asked = Parameters(offer, isAnswer: false) else { return nil }
        var agreed = AgreedCompression()
        agreed.serverNoContextTakeover = wanted.serverNoContextTakeover || asked.serverNoContextTakeover
        agreed.clientNoContextTakeover = wanted.clientNoContextTakeover || asked.clientNoContextTakeover
        agreed.serverMaxWindowBits = min(wanted.serverMaxWindowBits, asked.serverMaxWindowBits ?? 15)
        var header = self.name
        if agreed.serverNoContextTakeover { header += "; server_no_context_takeover" }
        if agreed.clientNoContextTakeover { header += "; client_no_context_takeover" }
        if agreed.serverMaxWindowBits < 15 { header += "; server_max_window_bits=\(agreed.serverMaxWindowBits)" }
        // A client that did not speak of its window must not be told how large it is to be.
        if asked.mayLimitClientWindow {
            agreed.clientMaxWindowBits = min(wanted.clientMaxWindowBits, asked.clientMaxWindowBits ?? 15)
            if agreed.clientMaxWindowBits < 15 { header += "; client_max_window_bits=\(agreed.clientMaxWindowBits)" }
        }
        return (header, agreed)
    }

    /// What the server's answer says, or nil if it is not one to our offer.
    package static func accept(_ answer: ExtensionOffer, offered: WebSocketCompression) -> AgreedCompression? {
        guard answer.name == self.name, let said = Parameters(answer, isAnswer: true) else { return nil }
        var agreed = AgreedCompression()
        agreed.serverNoContextTakeover = said.serverNoContextTakeover
        // We may keep to it even if the server did not ask for it.
        agreed.clientNoContextTakeover = said.clientNoContextTakeover || offered.clientNoContextTakeover
        agreed.serverMaxWindowBits = said.serverMaxWindowBits ?? 15
        agreed.clientMaxWindowBits = min(said.clientMaxWindowBits ?? 15, offered.clientMaxWindowBits)
        if offered.serverNoContextTakeover, !said.serverNoContextTakeover { return nil }
        if agreed.serverMaxWindowBits > offered.serverMaxWindowBits { return nil }
        return agreed
    }

    /// What inflates the messages that `role` receives.
    func inflater(for role: Role) -> Inflater {
        switch role {
        case .server: Inflater(windowBits: self.clientMaxWindowBits, keepsWindow: !self.clientNoContextTakeover)
        case .client: Inflater(windowBits: self.serverMaxWindowBits, keepsWindow: !self.serverNoContextTakeover)
        }
    }

    /// What deflates the messages that `role` sends; nil if the window is one that zlib cannot deflate with.
    func deflater(for role: Role, _ effort: WebSocketCompression.Effort) -> Deflater? {
        let bits = role == .server ? self.serverMaxWindowBits : self.clientMaxWindowBits
        let forgets = role == .server ? self.serverNoContextTakeover : self.clientNoContextTakeover
        return bits > 8 ? Deflater(windowBits: bits, keepsWindow: !forgets, effort: effort) : nil
    }

    /// The four parameters as they were written, each at most once and with a value that it may have.
    private struct Parameters {
        var serverNoContextTakeover = false
        var clientNoContextTakeover = false
        var serverMaxWindowBits: Int?
        var clientMaxWindowBits: Int?
        var mayLimitClientWindow = false

        init?(_ offer: ExtensionOffer, isAnswer: Bool) {
            var seen: Set<String> = []
            for (name, value) in offer.parameters {
                guard seen.insert(name).inserted else { return nil }
                switch (name, value) {
                case ("server_no_context_takeover", nil): self.serverNoContextTakeover = true
                case ("client_no_context_takeover", nil): self.clientNoContextTakeover = true
                case ("server_max_window_bits", let value?):
                    guard let bits = Self.bits(value) else { return nil }
                    self.serverMaxWindowBits = bits
                case ("client_max_window_bits", nil):
                    if isAnswer { return nil }
                    self.mayLimitClientWindow = true
                case ("client_max_window_bits", let value?):
                    guard let bits = Self.bits(value) else { return nil }
                    self.clientMaxWindowBits = bits
                    self.mayLimitClientWindow = true
                default: return nil
                }
            }
        }

        private static func bits(_ text: String) -> Int? {
            // Without a leading zero: RFC 7692 §7.1.2.1.
            guard text.first != "0", text.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }), let bits = Int(text) else {
                return nil
            }
            return (8...15).contains(bits) ? bits : nil
        }
    }
}
