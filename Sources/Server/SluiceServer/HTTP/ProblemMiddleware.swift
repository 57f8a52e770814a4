// SPDX-License-Identifier: Apache-2.0
import Hummingbird
import Logging

/// Answers errors as problems; the innermost middleware, so that the router's own errors pass through it too.
struct ProblemMiddleware: RouterMiddleware {
    func handle(
        _ request: Request, context: RequestScope, next: @concurrent (Request, RequestScope) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch {
            let problem = Problem(error)
            if problem.status.kind == .serverError {
                context.logger.error("request failed", metadata: ["error": "\(error)"])
            }
            return problem.response()
        }
    }
}
