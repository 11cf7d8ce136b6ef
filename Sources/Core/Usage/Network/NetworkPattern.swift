/// The points of section 8.4's table.
struct NetworkPattern: Sendable, Equatable {
    /// bit/s.
    static let videoRate = 1e6...50e6
    static let controlRate = 10e3...500e3

    /// Sums over the flows of a kind in the last second.
    struct Sums: Equatable {
        var bitsPerSecond = 0.0
        var packetsPerSecond = 0.0
        var flows = 0
        var isBothWays = false

        mutating func add(_ traffic: NetworkFlow.Traffic) {
            bitsPerSecond += traffic.bitsPerSecond
            packetsPerSecond += traffic.packetsPerSecond
            flows += 1
            isBothWays = isBothWays || traffic.isBothWays
        }
    }

    /// Of the last 10 s, newest in the lowest bit: whether either kind was active.
    private var history: UInt16 = 0
    /// 0…100.
    private(set) var confidence = 0.0
    /// From above 70 until 50 or less.
    private(set) var isDetected = false

    /// - Parameter seconds: how many have passed since the last evaluation, 1 or more.
    mutating func evaluate(video: Sums, control: Sums, seconds: Int) {
        let isActive = video.flows > 0 || control.flows > 0
        history = (seconds < 10 ? history << UInt16(seconds) : 0) & 0x3FF | (isActive ? 1 : 0)
        var points = 0.0
        if Self.videoRate.contains(video.bitsPerSecond) { points += 30 }
        if video.packetsPerSecond >= 30 { points += 20 }
        if Self.controlRate.contains(control.bitsPerSecond) { points += 20 }
        if control.isBothWays { points += 15 }
        if video.flows > 0, control.flows > 0 {
            points += 15
            if (0.001...0.1).contains(control.bitsPerSecond / video.bitsPerSecond) { points += 10 }
        }
        if history.nonzeroBitCount >= 8 { points += 10 }
        confidence = min(points, 100)
        isDetected = confidence > (isDetected ? 50 : 70)
    }
}
