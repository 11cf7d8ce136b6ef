import HTTP
import Reactor
import Wire

/// One line for each request, and for each that could not be read, at `info`: who asked, for what, and what came of it. The query is left out, as it may hold what is secret.
enum AccessLog {
    /// `status` nil: whoever asked left before there was an answer.
    static func write(
        to log: Logger, connection: UInt64, _ request: HTTPRequest, _ status: HTTPStatus?, bytes: Int, took duration: Duration
    ) {
        log.with(connection: connection).info(
            "request",
            [
                "client": .address(request.client.address), "method": .text(request.method.rawValue), "path": .text(request.target.rawPath),
                "status": status.map { LogValue($0.rawValue) } ?? "gone", "bytes": LogValue(bytes),
                "ms": .double(Double(duration.wholeMicroseconds) / 1000), "id": .text(request.id), "user": request.user.map { .text($0) },
            ])
    }

    /// What came was no request, or not all of one.
    static func write(to log: Logger, connection: UInt64, refused peer: IPAddress, _ problem: HTTPProblem) {
        log.with(connection: connection).info(
            "refused", ["client": .address(peer), "status": LogValue(problem.status.rawValue), "reason": .text(problem.message)])
    }
}
