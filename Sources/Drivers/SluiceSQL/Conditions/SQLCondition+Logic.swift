// SPDX-License-Identifier: Apache-2.0

extension SQLCondition {
    /// All of the conditions are true; of every row if there are none.
    public static func all(_ conditions: [SQLCondition]) -> SQLCondition {
        var nodes: [Node] = []
        for condition in conditions {
            switch condition.node {
            case .constant(true): continue
            case .constant(false): return .never
            case .all(let parts): nodes += parts
            case let node: nodes.append(node)
            }
        }
        if nodes.isEmpty { return .always }
        return SQLCondition(node: nodes.count == 1 ? nodes[0] : .all(nodes))
    }

    /// At least one of the conditions is true; of no row if there are none.
    public static func any(_ conditions: [SQLCondition]) -> SQLCondition {
        var nodes: [Node] = []
        for condition in conditions {
            switch condition.node {
            case .constant(false): continue
            case .constant(true): return .always
            case .any(let parts): nodes += parts
            case let node: nodes.append(node)
            }
        }
        if nodes.isEmpty { return .never }
        return SQLCondition(node: nodes.count == 1 ? nodes[0] : .any(nodes))
    }

    /// Both conditions are true.
    public static func && (left: SQLCondition, right: SQLCondition) -> SQLCondition { .all([left, right]) }

    /// At least one condition is true.
    public static func || (left: SQLCondition, right: SQLCondition) -> SQLCondition { .any([left, right]) }

    /// The condition is false; like it, of no row where a null leaves that open.
    public static prefix func ! (condition: SQLCondition) -> SQLCondition {
        switch condition.node {
        case .constant(let isTrue): SQLCondition(node: .constant(!isTrue))
        case .not(let node): SQLCondition(node: node)
        case let node: SQLCondition(node: .not(node))
        }
    }
}

extension SQLCondition: ExpressibleByDictionaryLiteral {
    /// Every column holds its value.
    public init(dictionaryLiteral elements: (String, any SQLConvertible)...) {
        self = .all(elements.map { .equal($0.0, $0.1) })
    }

    /// Every column holds its value.
    public init(_ values: [String: any SQLConvertible]) {
        // In the order of the names, so that equal conditions have equal texts and share a prepared statement.
        self = .all(values.sorted { $0.key < $1.key }.map { .equal($0.key, $0.value) })
    }
}
