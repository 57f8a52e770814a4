// SPDX-License-Identifier: Apache-2.0
import Sluice
import Testing

@Suite("Memory cache")
struct MemoryCacheTests {
    @Test("forgets what was used least recently")
    func recency() {
        let cache = MemoryCache<String, Int>(maximumCost: 3)
        for (index, key) in ["a", "b", "c"].enumerated() { cache.insert(index, for: key, cost: 1) }
        #expect(cache.value(for: "a") == 0)
        cache.insert(3, for: "d", cost: 1)
        #expect(cache.value(for: "b") == nil)
        #expect(cache.value(for: "a") == 0)
        cache.insert(9, for: "large", cost: 4)
        #expect(cache.value(for: "large") == nil)
        #expect(cache.insertIfAbsent(5, for: "a", cost: 1) == 0)
        cache.remove("a")
        #expect(cache.insertIfAbsent(5, for: "a", cost: 1) == 5)
    }

    @Test("does what a list in order of use does, over random steps", arguments: [7, 8] as [UInt64])
    func model(seed: UInt64) {
        let random = Randomness(seed: seed)
        let cache = MemoryCache<Int, Int>(maximumCost: 50)
        /// Most recent first.
        var model: [(key: Int, value: Int, cost: Int)] = []
        for step in 0..<100_000 {
            let key = Int(random.fraction() * 40)
            let index = model.firstIndex { $0.key == key }
            switch Int(random.fraction() * 10) {
            case 0..<5:
                #expect(cache.value(for: key) == index.map { model[$0].value })
                if let index { model.insert(model.remove(at: index), at: 0) }
            case 5..<9:
                let cost = Int(random.fraction() * 9)
                cache.insert(step, for: key, cost: cost)
                if let index { model.remove(at: index) }
                while model.reduce(0, { $0 + $1.cost }) + cost > 50 { model.removeLast() }
                model.insert((key, step, cost), at: 0)
            default:
                cache.remove(key)
                if let index { model.remove(at: index) }
            }
            if cache.count != model.count || cache.totalCost != model.reduce(0, { $0 + $1.cost }) {
                Issue.record("differs from the model at step \(step)")
                return
            }
        }
    }
}
