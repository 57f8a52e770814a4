// SPDX-License-Identifier: Apache-2.0
import Sluice

/// Who uses the token, who waits for one, and when it is renewed: the rules alone, without clock, lock or network.
struct OAuth2TokenMachine: Sendable {
    /// Names one caller that waits.
    typealias Waiter = UInt64

    /// What asking for a token came to.
    enum Answer: Sendable {
        /// It is good.
        case token(OAuth2Token)
        /// The caller waits; if told so, it starts the renewal first.
        case wait(Waiter, starts: Bool)
        /// Too many wait.
        case full
    }

    /// The token that came last; its refresh token counts even if it cannot be used itself.
    private(set) var token: OAuth2Token?
    /// The access token that was refused before its time.
    private var refused: Secret?
    private var isRenewing = false
    private var waiters: Set<Waiter> = []
    private var nextWaiter: Waiter = 0
    private let skew: Duration
    private let maximumWaiting: Int

    init(skew: Duration, maximumWaiting: Int) {
        self.skew = skew
        self.maximumWaiting = maximumWaiting
    }

    mutating func ask(at now: WallTime) -> Answer {
        if let token, self.isUsable(token, at: now) { return .token(token) }
        guard self.waiters.count < self.maximumWaiting else { return .full }
        self.nextWaiter += 1
        self.waiters.insert(self.nextWaiter)
        defer { self.isRenewing = true }
        return .wait(self.nextWaiter, starts: !self.isRenewing)
    }

    /// Whether a token, from the store for example, can be used.
    func isUsable(_ token: OAuth2Token, at now: WallTime) -> Bool {
        token.accessToken != self.refused && token.isUsable(at: now, skew: self.skew)
    }

    /// A server has refused a token.
    ///
    /// If another has taken its place by now, that one stays.
    mutating func refuse(_ accessToken: Secret) {
        if self.token?.accessToken == accessToken { self.refused = accessToken }
    }

    /// Puts a token in place that came from outside.
    mutating func put(_ token: OAuth2Token) {
        self.token = token
    }

    /// The renewal has ended, with a token or without.
    ///
    /// - Returns: Who waits for it.
    mutating func finish(_ token: OAuth2Token?) -> Set<Waiter> {
        self.isRenewing = false
        if let token { self.token = token }
        defer { self.waiters = [] }
        return self.waiters
    }

    /// A caller waits no longer; the renewal goes on all the same.
    ///
    /// - Returns: False if its wait had ended already.
    mutating func giveUp(_ waiter: Waiter) -> Bool { self.waiters.remove(waiter) != nil }
}
