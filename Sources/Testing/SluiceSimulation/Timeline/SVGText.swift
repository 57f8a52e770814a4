// SPDX-License-Identifier: Apache-2.0

/// An SVG document, written piece by piece.
struct SVGText {
    private(set) var text = ""

    /// Adds an element without content.
    mutating func element(_ name: String, _ attributes: [(String, String)]) {
        self.text += "<\(name)\(Self.attributes(attributes))/>\n"
    }

    /// Adds an element with text in it.
    mutating func element(_ name: String, _ attributes: [(String, String)], _ content: String) {
        self.text += "<\(name)\(Self.attributes(attributes))>\(Self.escaped(content))</\(name)>\n"
    }

    /// Adds what is SVG already.
    mutating func raw(_ svg: String) { self.text += svg }

    mutating func label(_ x: Double, _ y: Double, _ kind: String, _ content: String) {
        self.element("text", [("x", Self.number(x)), ("y", Self.number(y)), ("class", kind)], content)
    }

    mutating func line(_ from: (Double, Double), _ to: (Double, Double), _ kind: String) {
        self.element(
            "line",
            [
                ("x1", Self.number(from.0)), ("y1", Self.number(from.1)), ("x2", Self.number(to.0)),
                ("y2", Self.number(to.1)), ("class", kind),
            ])
    }

    mutating func rectangle(_ x: Double, _ y: Double, _ width: Double, _ height: Double, _ kind: String) {
        self.element(
            "rect",
            [
                ("x", Self.number(x)), ("y", Self.number(y)), ("width", Self.number(max(0, width))),
                ("height", Self.number(max(0, height))), ("class", kind),
            ])
    }

    mutating func path(_ commands: String, _ kind: String) {
        if !commands.isEmpty { self.element("path", [("d", commands), ("class", kind)]) }
    }

    /// A coordinate to a tenth, which is finer than anybody sees.
    static func number(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        let sign = tenths < 0 ? "-" : ""
        return sign + (tenths % 10 == 0 ? "\(abs(tenths) / 10)" : "\(abs(tenths) / 10).\(abs(tenths) % 10)")
    }

    private static func attributes(_ attributes: [(String, String)]) -> String {
        attributes.map { " \($0.0)=\"\(self.escaped($0.1))\"" }.joined()
    }

    /// The text without what XML would take for markup, and without what it does not allow at all.
    static func escaped(_ text: String) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "\"": escaped += "&quot;"
            case "\t", "\n", "\r": escaped += " "
            case "\u{0}"..."\u{1F}", "\u{FFFE}", "\u{FFFF}": escaped += "\u{FFFD}"
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }
}
