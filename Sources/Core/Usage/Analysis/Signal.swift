/// What one source says: a detector that is built in, or a custom one by its name.
public struct Signal: Sendable, Equatable {
    /// `webrtc`, `zmq`, `input`, `network` or a custom name.
    public var source: String
    /// 0…100.
    public var score: Double
    public var reason: String
    public var operators: [String]

    public init(source: String, score: Double, reason: String, operators: [String]) {
        (self.source, self.score, self.reason, self.operators) = (source, score, reason, operators)
    }
}

/// Section 7.
public struct Analysis: Sendable, Equatable {
    /// 0…100, 2 decimals.
    public let confidence: Double
    public let isActive: Bool
    /// The sources of each operator's name, sorted by name; `unknown` only when nobody has another name.
    public let operators: [(name: String, source: String)]

    /// The word for somebody without a name.
    public static let unknown = "unknown"
    /// Operators that are told apart at most (section 17).
    static let mostOperators = 64

    public init(_ signals: [Signal], threshold: Double, corroborated: Double) {
        guard let best = signals.map(\.score).max() else {
            (confidence, isActive, operators) = (0, false, [])
            return
        }
        let mean = signals.reduce(0) { $0 + $1.score } / Double(signals.count)
        let exact = 0.7 * best + 0.3 * mean
        // As it is shown: somebody who sees 70 at a threshold of 70 expects it to count.
        confidence = (exact * 100).rounded() / 100
        isActive = confidence >= threshold || signals.count >= 2 && confidence > corroborated
        operators = isActive ? Self.named(signals) : []
    }

    private static func named(_ signals: [Signal]) -> [(name: String, source: String)] {
        var sources: [String: String] = [:]
        for signal in signals {
            for name in signal.operators where sources[name] == nil { sources[name] = signal.source }
        }
        if sources.count > 1 { sources[unknown] = nil }
        return sources.sorted { $0.key < $1.key }.prefix(mostOperators).map { ($0.key, $0.value) }
    }

    public static func == (a: Analysis, b: Analysis) -> Bool {
        a.confidence == b.confidence && a.isActive == b.isActive && a.operators.elementsEqual(b.operators) { $0 == $1 }
    }
}
