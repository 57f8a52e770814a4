// SPDX-License-Identifier: Apache-2.0
public import Sluice
import Synchronization

/// The tokens of one program, or of one person using it: got when needed, renewed before they expire, saved before they
/// are used.
///
/// However many calls need a token at once, the server is asked once. A caller that is cancelled leaves; the renewal
/// goes on for the
/// others, and also for nobody, since the server may have taken back the old refresh token already.
///
/// ```swift
/// let session = OAuth2Session(client, grant: .clientCredentials(scope: "read"), transport: transport)
/// let auth = HTTPAuth.oauth2(session, for: "https://api.example.org")
/// ```
public final class OAuth2Session: Sendable {
    /// How tokens are got.
    public enum Grant: Sendable, Hashable {
        /// For the program itself: RFC 6749 §4.4.
        case clientCredentials(scope: String? = nil)
        /// For the person whose token is in the store, or was given to ``OAuth2Session/start(with:)``: RFC 6749 §6.
        case refreshToken
    }

    private struct State {
        var machine: OAuth2TokenMachine
        var suspensions: [OAuth2TokenMachine.Waiter: Suspension<Result<OAuth2Token, any Error>>] = [:]
        var renewal: Task<Void, Never>?
    }

    private let client: OAuth2Client
    private let grant: Grant
    private let store: any OAuth2TokenStore
    private let transport: any HTTPTransport
    private let timeout: Duration
    private let time: any TimeSource
    private let now: @Sendable () -> WallTime
    private let onStoreFailure: @Sendable (any Error) -> Void
    private let state: Mutex<State>

    /// Creates a session; nothing is asked for yet.
    ///
    /// - Parameters:
    ///   - client: The program.
    ///   - grant: How tokens are got.
    ///   - store: Where the token is kept.
    ///   - transport: What reaches the token endpoint.
    ///   - skew: How long before its end a token is renewed, and at most a fifth of its life; not negative.
    ///   - timeout: How long one renewal may take; more than zero.
    ///   - maximumWaiting: How many callers may wait for one; at least 1.
    ///   - time: The time line of waits.
    ///   - now: The calendar that tokens expire by.
    ///   - onStoreFailure: Told when a new token could not be saved; it is used all the same, since the old one is
    ///     gone.
    public init(
        _ client: OAuth2Client, grant: Grant, store: any OAuth2TokenStore = InMemoryOAuth2TokenStore(),
        transport: any HTTPTransport, skew: Duration = .seconds(30), timeout: Duration = .seconds(30),
        maximumWaiting: Int = 10_000, time: any TimeSource = SystemTime.shared,
        now: @escaping @Sendable () -> WallTime = WallTime.now,
        onStoreFailure: @escaping @Sendable (any Error) -> Void = { _ in }
    ) {
        precondition(skew >= .zero, "skew must not be negative")
        precondition(timeout > .zero, "timeout must be more than zero")
        precondition(maximumWaiting >= 1, "maximumWaiting must be at least 1 (is \(maximumWaiting))")
        self.client = client
        self.grant = grant
        self.store = store
        self.transport = transport
        self.timeout = timeout
        self.time = time
        self.now = now
        self.onStoreFailure = onStoreFailure
        self.state = Mutex(State(machine: OAuth2TokenMachine(skew: skew, maximumWaiting: maximumWaiting)))
    }

    /// Puts a token in place, for example the one that a sign-in brought, and saves it.
    ///
    /// - Throws: The store's error; the token is in place all the same.
    public func start(with token: OAuth2Token) async throws {
        self.state.withLock { $0.machine.put(token) }
        try await self.store.save(token)
    }

    /// A token that is good for now.
    ///
    /// - Throws: ``OAuth2Error``; ``APIClientError`` and what else the transport throws; `TimeoutError` if the server
    ///   takes too long;
    ///   `RejectionError` if the deadline came while waiting, or too many wait; `CancellationError` if the task is
    ///   cancelled.
    public func token() async throws -> OAuth2Token {
        try Task.checkCancellation()
        let now = self.now()
        let suspension = Suspension<Result<OAuth2Token, any Error>>()
        let answer = self.state.withLock { state in
            let answer = state.machine.ask(at: now)
            if case .wait(let waiter, let starts) = answer {
                state.suspensions[waiter] = suspension
                // Noted under the lock that begins it, so that `close` finds it.
                if starts { state.renewal = self.startRenewal() }
            }
            return answer
        }
        switch answer {
        case .token(let token): return token
        case .full: throw RejectionError(policy: "oauth2", reason: .queueFull, in: OperationContext.current)
        case .wait(let waiter, _): return try await self.wait(waiter, suspension)
        }
    }

    /// Says that a server refused a token: the next one is got before its time.
    ///
    /// If it has been replaced already,
    /// nothing happens.
    public func refuse(_ token: OAuth2Token) {
        self.state.withLock { $0.machine.refuse(token.accessToken) }
    }

    /// Waits for a renewal under way, so that what it brings is saved; it takes no longer than the timeout.
    public func close() async {
        await self.state.withLock { $0.renewal }?.value
    }

    // MARK: Waiting

    private func wait(
        _ waiter: OAuth2TokenMachine.Waiter, _ suspension: Suspension<Result<OAuth2Token, any Error>>
    ) async throws -> OAuth2Token {
        let context = OperationContext.current
        let alarm = context.flatMap { context in
            context.deadline == .distantFuture
                ? nil
                : context.time.schedule(at: context.deadline) {
                    let late = RejectionError(policy: "oauth2", reason: .deadlineWouldBeMissed, in: context)
                    self.giveUp(waiter, late)
                }
        }
        let result = await withTaskCancellationHandler {
            await suspension.value()
        } onCancel: {
            self.giveUp(waiter, CancellationError())
        }
        if let alarm { context?.time.cancel(alarm) }
        return try result.get()
    }

    private func giveUp(_ waiter: OAuth2TokenMachine.Waiter, _ reason: any Error) {
        let suspension = self.state.withLock { state in
            state.machine.giveUp(waiter) ? state.suspensions.removeValue(forKey: waiter) : nil
        }
        suspension?.settle(.failure(reason))
    }

    // MARK: Renewing

    /// Unstructured, because it must outlive the caller that happened to be the first, and detached, so that this one's
    /// deadline does
    /// not end it; bounded by `timeout`, one at a time, and waited for by ``close()``.
    private func startRenewal() -> Task<Void, Never> {
        Task.detached {
            let context = OperationContext(name: "oauth2.renewal", time: self.time)
            let result = await OperationContext.$current.withValue(context) {
                await Result.of { try await withTimeout(self.timeout) { try await self.renew() } }
            }
            let suspensions = self.state.withLock { state in
                state.renewal = nil
                let waiters = state.machine.finish(try? result.get())
                return waiters.compactMap { state.suspensions.removeValue(forKey: $0) }
            }
            for suspension in suspensions { suspension.settle(result) }
        }
    }

    private func renew() async throws -> OAuth2Token {
        let kept = try await self.store.load()
        if let kept, self.isUsable(kept) { return kept }
        let known = self.state.withLock { $0.machine.token }
        // What could not be saved is newer than what is kept.
        let newest = [kept, known].compactMap { $0 }.max { $0.issuedAt < $1.issuedAt }
        guard let refreshToken = newest?.refreshToken else { return try await self.begin() }
        do {
            return try await self.refresh(refreshToken)
        } catch let error as OAuth2Error where error.kind == .invalidGrant {
            // Another process may have been faster, and has what this refresh token was exchanged for.
            if let newer = try await self.store.load(), newer.refreshToken != refreshToken {
                if self.isUsable(newer) { return newer }
                if let next = newer.refreshToken { return try await self.refresh(next) }
            }
            try? await self.store.remove()
            if self.grant == .refreshToken { throw error }
            return try await self.begin()
        }
    }

    private func isUsable(_ token: OAuth2Token) -> Bool {
        let now = self.now()
        return self.state.withLock { $0.machine.isUsable(token, at: now) }
    }

    /// Gets a token with nothing but the program's own credentials.
    private func begin() async throws -> OAuth2Token {
        guard case .clientCredentials(let scope) = self.grant else {
            throw OAuth2Error(.signInRequired, message: "there is no refresh token; somebody has to sign in")
        }
        var form = [("grant_type", "client_credentials")]
        if let scope { form.append(("scope", scope)) }
        return try await self.ask(form, keeping: nil)
    }

    private func refresh(_ refreshToken: Secret) async throws -> OAuth2Token {
        try await self.ask(
            [("grant_type", "refresh_token"), ("refresh_token", refreshToken.reveal())], keeping: refreshToken)
    }

    private func ask(_ form: [(String, String)], keeping refreshToken: Secret?) async throws -> OAuth2Token {
        let token = try await OAuth2TokenRequest(client: self.client, form: form)
            .send(by: self.transport, now: self.now).keeping(refreshToken)
        do { try await self.store.save(token) } catch { self.onStoreFailure(error) }
        return token
    }
}

extension Result where Failure == any Error {
    /// What `body` returns or throws.
    fileprivate static func of(_ body: () async throws -> Success) async -> Result {
        do { return .success(try await body()) } catch { return .failure(error) }
    }
}
