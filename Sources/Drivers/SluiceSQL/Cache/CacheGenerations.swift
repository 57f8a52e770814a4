// SPDX-License-Identifier: Apache-2.0

/// How often what an answer depends on has been invalidated, as one growing number.
///
/// The number is part of the key that an answer is kept by. Whoever asks after an invalidation asks for another key, so a load that
/// began before it can neither be joined nor found, however late it ends.
struct CacheGenerations {
    /// How many names are told apart; beyond that, all are invalidated once, which costs loads and never truth.
    static let maximumNames = 10_000

    enum Name: Hashable {
        case table(String)
        case tag(String)
        case key(String)
    }

    private var last: UInt64 = 0
    /// The generation of every name that is not listed.
    private var floor: UInt64 = 0
    private var generations: [Name: UInt64] = [:]

    func generation(of names: some Sequence<Name>) -> UInt64 {
        names.reduce(self.floor) { max($0, self.generations[$1] ?? 0) }
    }

    mutating func invalidate(_ invalidation: CacheInvalidation) {
        guard !invalidation.isEmpty else { return }
        self.last += 1
        for name in invalidation.names { self.generations[name] = self.last }
        guard invalidation.isEverything || self.generations.count > Self.maximumNames else { return }
        self.floor = self.last
        self.generations.removeAll()
    }
}

extension CacheInvalidation {
    var names: [CacheGenerations.Name] {
        self.tables.map { .table($0) } + self.tags.map { .tag($0) } + self.keys.map { .key($0) }
    }
}
