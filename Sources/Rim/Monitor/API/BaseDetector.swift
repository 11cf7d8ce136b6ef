/// A detector of one's own (spec section 14): the monitor starts it, asks it every `detection_interval`, and stops it.
public protocol BaseDetector: Sendable {
    /// Before it is asked for the first time. What it throws ends it, with `error_occurred`.
    func start() async throws
    /// Whether it finds somebody; nil: as before it was asked. It has one second; an answer that comes later counts as nobody, and five failures
    /// in a row end it.
    func detect() async throws -> Detection?
    /// It will not be asked again.
    func stop() async
    /// Says that `detect` would answer something else, and is to be asked at once; nil: it is asked at its times only.
    var changed: AsyncStream<Void>? { get }
}

extension BaseDetector {
    public func start() async throws {}
    public func stop() async {}
    public var changed: AsyncStream<Void>? { nil }
}

/// What a custom detector finds.
public struct Detection: Sendable, Equatable {
    public var active: Bool
    /// 0…100; it counts from above 50.
    public var confidence: Double
    /// Who it is, where that is known.
    public var `operator`: String?

    public init(active: Bool, confidence: Double, operator name: String? = nil) {
        (self.active, self.confidence, self.operator) = (active, confidence, name)
    }
}
