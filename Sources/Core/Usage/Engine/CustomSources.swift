import Wire

/// What is not built in: detectors of the Swift API, plug-ins, and programs that say exactly who drives (sections 14 and 15).
struct CustomSources: Sendable {
    private var found: [String: Source] = [:]

    struct Source: Sendable, Equatable {
        var isActive: Bool
        var confidence: Double
        var operators: [String]
    }

    /// Sources at once: 32 plug-ins, as many detectors, and other programs.
    static let most = 96

    /// Whether that changes anything. nil: it says nothing any more.
    mutating func set(_ name: String, _ source: Source?) -> Bool {
        guard found[name] != source, source == nil || found[name] != nil || found.count < Self.most else { return false }
        found[name] = source
        return true
    }

    var signals: [Signal] {
        found.filter { $0.value.isActive && $0.value.confidence > 50 }.sorted { $0.key < $1.key }.map { name, source in
            let confidence = min(max(source.confidence, 0), 100)
            return Signal(
                source: name, score: confidence, reason: "\(name): \(Int(confidence.rounded()))% confidence", operators: source.operators)
        }
    }
}
