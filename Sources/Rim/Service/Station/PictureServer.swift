import HTTP
import Media
import Reactor
import Web
import Wire

/// One camera's pictures as JPEG: single ones and MJPEG, made on a thread of their own, once for all who want the same. Lives on the reactor.
package final class PictureServer {
    private let feed: PictureFeed
    private let orders: Inbox<Order>
    private let results: Mailbox<Made>
    private var waiting: [(responder: HTTPResponder, width: Int)] = []
    private var readers: [Int: Reader] = [:]
    private var nextReader = 0
    /// Sizes being made now.
    private var underWay: Set<Int> = []
    private var ticker: ReactorTimer?
    private let reactor: Reactor
    /// Keeps the camera at its full rate while somebody reads.
    private var subscription: Int?

    /// Width 0: as it comes.
    private struct Order: Sendable {
        var picture: CapturedPicture
        var width: Int
    }

    private struct Made: Sendable {
        var width: Int
        var jpeg: Result<[UInt8], MediaError>
    }

    private struct Reader {
        var stream: PictureStream
        var width: Int
        var interval: Duration
        var next: Instant
        /// A picture is being made for it: what others asked for it does not get as well.
        var isDue = false
    }

    static let mostReaders = 32
    private static let mostWaiting = 64
    /// Sizes that are made at a time for single pictures; readers keep room beside them.
    private static let mostSizes = 6

    package init(_ feed: PictureFeed, reactor: Reactor, log: Logger) throws(SystemError) {
        (self.feed, self.reactor) = (feed, reactor)
        orders = try Inbox(limit: 8, leavesOut: .newest)
        // Every size that can be under way has room: one that were lost would never be made again.
        results = try Mailbox(limit: Self.mostReaders + Self.mostWaiting)
        try results.open(on: reactor) { [weak self] result in self?.deliver(result) }
        let (orders, results, log) = (orders, results, RareLogger(log.with("camera", .text(feed.name))))
        try WorkerThread.start("waldo-jpeg") { Self.run(orders, results, log) }
        ticker = reactor.makeTimer { [weak self] now in self?.tick(at: now) }
    }

    package func stop() {
        orders.close()
        results.close(on: reactor)
        for reader in readers.values { reader.stream.body.end() }
        readers.removeAll()
        if let subscription { feed.unsubscribe(subscription) }
    }

    // MARK: The thread

    private static func run(_ orders: Inbox<Order>, _ results: Mailbox<Made>, _ log: RareLogger) {
        var encoder: JPEGEncoder?
        while case .element(let order) = orders.next() {
            do throws(MediaError) {
                let present = if let encoder { encoder } else { try JPEGEncoder() }
                encoder = present
                let jpeg = try present.encode(order.picture.picture, width: order.width == 0 ? nil : order.width)
                _ = results.put(Made(width: order.width, jpeg: .success(jpeg)))
            } catch {
                log.error("a picture could not be made into a JPEG", ["reason": .text("\(error)")])
                _ = results.put(Made(width: order.width, jpeg: .failure(error)))
            }
        }
    }

    // MARK: Requests

    package func snapshot(_ responder: HTTPResponder, width: Int? = nil) throws(HTTPProblem) {
        let step = step(width)
        let hasRoom = waiting.count < Self.mostWaiting && (underWay.count < Self.mostSizes || underWay.contains(step))
        guard hasRoom, try order(width: step) else {
            throw HTTPProblem(.serviceUnavailable, "busy", "too many ask for pictures; try again")
        }
        waiting.append((responder, step))
    }

    /// Sizes in steps, so that those who ask share what is made. Nil: as it comes.
    private func step(_ width: Int?) -> Int {
        guard let width, width < feed.width else { return 0 }
        return max(width / 16 * 16, 64)
    }

    func stream(_ responder: HTTPResponder, rate: Int, width: Int?) throws(HTTPProblem) {
        guard readers.count < Self.mostReaders else {
            throw HTTPProblem(.serviceUnavailable, "busy", "too many watch this way; use WebRTC")
        }
        guard let stream = PictureStream(responder) else { return }
        nextReader += 1
        let number = nextReader
        let now = MonotonicClock.now()
        readers[number] = Reader(
            stream: stream, width: step(width), interval: Duration(nanoseconds: 1_000_000_000 / Int64(rate)), next: now)
        stream.body.onClose = { [weak self] in self?.leave(number) }
        if subscription == nil { subscription = feed.subscribe { _ in } }
        ticker?.deadline = now
    }

    private func leave(_ number: Int) {
        readers[number] = nil
        if readers.isEmpty, let number = subscription {
            feed.unsubscribe(number)
            subscription = nil
        }
    }

    private func tick(at now: Instant) {
        for number in readers.keys {
            guard let reader = readers[number], now >= reader.next else { continue }
            readers[number]?.next = max(reader.next + reader.interval, now)
            readers[number]?.isDue = (try? order(width: reader.width)) ?? false
        }
        ticker?.deadline = readers.values.map(\.next).min()
    }

    /// False: as many sizes as there is room for are being made.
    private func order(width: Int) throws(HTTPProblem) -> Bool {
        guard let picture = feed.newest else {
            throw HTTPProblem(.serviceUnavailable, "no_picture", "the camera has not given a picture yet; try again")
        }
        guard underWay.insert(width).inserted else { return true }
        if orders.put(Order(picture: picture, width: width)) { return true }
        underWay.remove(width)
        return false
    }

    private func deliver(_ made: Made) {
        underWay.remove(made.width)
        for (responder, width) in waiting where width == made.width { answer(responder, made.jpeg) }
        waiting.removeAll { $0.width == made.width }
        guard case .success(let jpeg) = made.jpeg else { return }
        for (number, reader) in readers where reader.width == made.width && reader.isDue {
            readers[number]?.isDue = false
            reader.stream.send(jpeg.span)
        }
    }

    private func answer(_ responder: HTTPResponder, _ jpeg: Result<[UInt8], MediaError>) {
        switch jpeg {
        case .success(let jpeg):
            let fields: HTTPFields = ["Content-Type": "image/jpeg", "Cache-Control": "no-store"]
            responder.respond(HTTPResponse(.ok, fields: fields, body: .bytes(jpeg)))
        case .failure(let error):
            responder.respond(HTTPProblem(.internalServerError, "no_picture", "the picture could not be made into a JPEG: \(error)"))
        }
    }
}
