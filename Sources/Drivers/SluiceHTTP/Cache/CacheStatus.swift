// SPDX-License-Identifier: Apache-2.0

/// What the cache did with a request, as the `Cache-Status` field says it.
///
/// - Source: RFC 9211.
enum CacheStatus: String, Sendable {
    case hit = "Sluice; hit"
    /// Stale, and good enough for the request, or in place of an error.
    case stale = "Sluice; hit; detail=stale"
    case staleWhileRevalidate = "Sluice; hit; detail=stale-while-revalidate"
    case staleIfError = "Sluice; hit; fwd=stale; detail=stale-if-error"
    case confirmed = "Sluice; hit; fwd=stale; fwd-status=304"
    case stored = "Sluice; fwd=miss; stored"
    case miss = "Sluice; fwd=miss"
    case replaced = "Sluice; fwd=stale; stored"
    case staleMiss = "Sluice; fwd=stale"
    case bypass = "Sluice; fwd=bypass"
    case method = "Sluice; fwd=method"
    case onlyIfCached = "Sluice; detail=only-if-cached"
}
