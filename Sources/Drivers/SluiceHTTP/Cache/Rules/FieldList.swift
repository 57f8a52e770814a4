// SPDX-License-Identifier: Apache-2.0
import HTTPTypes

/// Reads fields that are lists: members between commas, commas in quoted strings excepted.
///
/// - Source: RFC 9110 §5.6.1.
enum FieldList {
    /// The members of all lines, in order, without the space around them and without empty ones.
    static func members(_ lines: [String]) -> [Substring] {
        var members: [Substring] = []
        for line in lines { self.split(line[...], into: &members) }
        return members
    }

    /// A name in lower case and its value, unquoted; `name =value` has no value that counts.
    static func parameter(_ member: Substring) -> (name: String, value: String?) {
        guard let equals = member.firstIndex(of: "=") else { return (member.lowercased(), nil) }
        return (member[..<equals].lowercased(), self.unquoted(member[member.index(after: equals)...]))
    }

    /// The content of a quoted string, or the text itself if it is not one.
    static func unquoted(_ text: Substring) -> String {
        guard text.utf8.count >= 2, text.utf8.first == UInt8(ascii: "\""), text.utf8.last == UInt8(ascii: "\"") else {
            return String(text)
        }
        var content = ""
        var isEscaped = false
        for character in text.dropFirst().dropLast() {
            if character == "\\", !isEscaped {
                isEscaped = true
            } else {
                content.append(character)
                isEscaped = false
            }
        }
        return content
    }

    /// `text` as a quoted string.
    static func quoted(_ text: String) -> String {
        var quoted = "\""
        for character in text {
            if character == "\"" || character == "\\" { quoted.append("\\") }
            quoted.append(character)
        }
        return quoted + "\""
    }

    /// A text without the spaces and tabs around it.
    static func trimmed(_ text: Substring) -> Substring {
        var bytes = text.utf8[...]
        func isSpace(_ byte: UInt8?) -> Bool { byte == 0x20 || byte == 0x09 }
        while isSpace(bytes.first) { bytes = bytes.dropFirst() }
        while isSpace(bytes.last) { bytes = bytes.dropLast() }
        return Substring(bytes)
    }

    private static func split(_ line: Substring, into members: inout [Substring]) {
        let bytes = line.utf8
        var start = bytes.startIndex
        var index = start
        var isQuoted = false
        func end(at index: Substring.Index) {
            let member = self.trimmed(line[start..<index])
            if !member.isEmpty { members.append(member) }
        }
        while index < bytes.endIndex {
            let byte = bytes[index]
            if isQuoted, byte == UInt8(ascii: "\\") {
                index = bytes.index(after: index)
                if index == bytes.endIndex { break }
            } else if byte == UInt8(ascii: "\"") {
                isQuoted.toggle()
            } else if !isQuoted, byte == UInt8(ascii: ",") {
                end(at: index)
                start = bytes.index(after: index)
            }
            index = bytes.index(after: index)
        }
        end(at: bytes.endIndex)
    }
}
