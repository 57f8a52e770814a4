// SPDX-License-Identifier: Apache-2.0
/// Stands in until the pool is merged.
public struct PoolSettings: Sendable { public init() {} }
