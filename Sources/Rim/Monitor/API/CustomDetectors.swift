import Reactor
import Usage
import Wire

/// The detectors of the Swift API: asked at their times, each at most once at a time, and never waited for. Lives on the reactor.
final class CustomDetectors {
    /// Answers come back through it.
    typealias Reply = @Sendable (_ name: String, _ number: Int, Outcome) -> Void

    enum Outcome: Sendable {
        case started
        case found(Detection?)
        case failed(String)
        /// Its `changed` has said so.
        case changed
    }

    private struct Entry {
        let detector: any BaseDetector
        /// Told apart by it: what a removed one of the same name still answers.
        let number: Int
        var isStarted = false
        /// Since when an answer is due.
        var asked: Instant?
        var isLate = false
        /// Something has changed since it was asked.
        var isStale = false
        var failures = 0
        var watcher: Task<Void, Never>?
    }

    private var entries: [String: Entry] = [:]
    private var lastNumber = 0
    private var timer: ReactorTimer?
    private let interval: Duration
    private let reply: Reply
    private unowned let service: MonitorService
    private let log: Logger

    private static let patience = Duration.seconds(1)
    private static let mostFailures = 5

    init(_ service: MonitorService, reactor: Reactor, log: Logger, reply: @escaping Reply) {
        (self.service, self.log, self.reply) = (service, log, reply)
        interval = service.configuration.detection.detectionInterval
        timer = reactor.makeTimer { [unowned self] now in askAll(at: now) }
        timer?.deadline = reactor.now
    }

    func add(_ name: String, _ detector: any BaseDetector) {
        lastNumber += 1
        let (number, reply) = (lastNumber, reply)
        entries[name] = Entry(detector: detector, number: number)
        Task {
            do {
                try await detector.start()
                reply(name, number, .started)
            } catch { reply(name, number, .failed("it could not start: \(error)")) }
        }
    }

    func remove(_ name: String) {
        guard let entry = entries.removeValue(forKey: name) else { return }
        entry.watcher?.cancel()
        Task { await entry.detector.stop() }
        service.tell { $0.custom(name, nil, at: $1) }
    }

    /// For the end: comes back when all have stopped.
    func removeAll() -> [any BaseDetector] {
        defer { entries = [:] }
        for entry in entries.values { entry.watcher?.cancel() }
        timer = nil
        return entries.values.map(\.detector)
    }

    // MARK: asking

    private func askAll(at now: Instant) {
        timer?.deadline = now + interval
        for name in Array(entries.keys) { ask(name, at: now) }
    }

    private func ask(_ name: String, at now: Instant) {
        guard var entry = entries[name], entry.isStarted else { return }
        defer { entries[name] = entry }
        if let asked = entry.asked {
            guard now - asked > Self.patience, !entry.isLate else { return }
            entry.isLate = true
            service.tell { engine, now in
                engine.custom(name, nil, at: now)
                engine.failed(name, "no answer to detect() within 1 s: it counts as inactive", at: now)
            }
            return
        }
        (entry.asked, entry.isStale) = (now, false)
        let (detector, number, reply) = (entry.detector, entry.number, reply)
        Task {
            do { reply(name, number, .found(try await detector.detect())) } catch { reply(name, number, .failed("\(error)")) }
        }
    }

    // MARK: answers

    func received(_ name: String, _ number: Int, _ outcome: Outcome, at now: Instant) {
        guard var entry = entries[name], entry.number == number else { return }
        switch outcome {
        case .started:
            entry.isStarted = true
            entry.watcher = watch(name, entry)
            entries[name] = entry
            ask(name, at: now)
        case .changed:
            entry.isStale = true
            entries[name] = entry
            ask(name, at: now)
        case .found(let detection):
            let isInTime = !entry.isLate
            (entry.asked, entry.isLate, entry.failures) = (nil, false, 0)
            entries[name] = entry
            if isInTime, let detection { found(name, detection) }
            if entry.isStale { ask(name, at: now) }
        case .failed(let reason):
            let isOver = !entry.isStarted || entry.failures + 1 >= Self.mostFailures
            (entry.asked, entry.isLate, entry.failures) = (nil, false, entry.failures + 1)
            entries[name] = entry
            service.tell { $0.custom(name, nil, at: $1) }
            if isOver { giveUp(name, reason) } else { log.debug("a detector failed", ["detector": .text(name), "reason": .text(reason)]) }
        }
    }

    private func found(_ name: String, _ detection: Detection) {
        let found = PluginDetection(
            isActive: detection.active, confidence: min(max(detection.confidence, 0), 100),
            operatorName: detection.operator.flatMap(OperatorName.cleaned))
        service.tell { $0.custom(name, found, at: $1) }
    }

    private func giveUp(_ name: String, _ reason: String) {
        log.warning("a detector is given up", ["detector": .text(name), "reason": .text(reason)])
        service.tell { $0.failed(name, reason, at: $1) }
        remove(name)
    }

    private func watch(_ name: String, _ entry: Entry) -> Task<Void, Never>? {
        guard let changes = entry.detector.changed else { return nil }
        let (number, reply) = (entry.number, reply)
        return Task { for await _ in changes { reply(name, number, .changed) } }
    }
}
