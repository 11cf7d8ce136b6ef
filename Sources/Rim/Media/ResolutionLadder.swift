import Wire

/// How large a picture the bitrate at hand is worth: below some 0.04 bit a pixel, fewer pixels look better than coarse ones.
///
/// A smaller picture is chosen when the bitrate has been too low for half a second, a larger one when it has been enough for three; what
/// is enough for the larger is a quarter above what is too little for it. Every change costs a key frame.
public struct ResolutionLadder: Sendable {
    /// Largest first; even numbers.
    public let sizes: [(width: Int, height: Int)]
    public private(set) var step = 0
    private let rate: Int
    private let density: Double
    /// Since when another step would be better, and which.
    private var wish: (step: Int, since: Instant)?
    private var changed: Instant?

    /// Bits a pixel and picture under which a picture is too large.
    private static let bitsPerPixel = 0.04
    /// Of the density that was asked for: who asks for little from the beginning gets the size that was asked for.
    private static let ofAsked = 0.75
    private static let hysteresis = 1.25
    private static let patienceDown = Duration.milliseconds(500)
    private static let patienceUp = Duration.seconds(3)
    private static let restAfterChange = Duration.seconds(2)
    private static let scales = [(1, 1), (3, 4), (1, 2), (3, 8), (1, 4)]
    private static let smallestHeight = 96

    /// The full size, pictures a second, and the bitrate that was asked for, bit/s.
    public init(width: Int, height: Int, rate: Int, bitrate: Int) {
        sizes = Self.scales.compactMap { up, down in
            let size = (width: width * up / down & ~1, height: height * up / down & ~1)
            return up == down || size.height >= Self.smallestHeight && size.width >= Self.smallestHeight ? size : nil
        }
        self.rate = rate
        let asked = Double(bitrate) / Double(width * height * rate)
        density = min(Self.bitsPerPixel, asked * Self.ofAsked)
    }

    public var size: (width: Int, height: Int) { sizes[step] }

    /// Bit/s under which the step is too large.
    public func need(of step: Int) -> Int { Int(density * Double(sizes[step].width * sizes[step].height * rate)) }

    /// True: the size has changed.
    public mutating func choose(_ bitrate: Int, at now: Instant) -> Bool {
        let better = bestStep(for: bitrate)
        guard better != step else {
            wish = nil
            return false
        }
        // Only a wish for the other direction begins the wait anew.
        if let wish, (wish.step > step) == (better > step) { self.wish = (better, wish.since) } else { wish = (better, now) }
        guard let wish, now - wish.since >= (better > step ? Self.patienceDown : Self.patienceUp),
            changed.map({ now - $0 >= Self.restAfterChange }) ?? true
        else { return false }
        step = better
        changed = now
        self.wish = nil
        return true
    }

    private func bestStep(for bitrate: Int) -> Int {
        var best = step
        while best + 1 < sizes.count, bitrate < need(of: best) { best += 1 }
        guard best == step else { return best }
        while best > 0, Double(bitrate) >= Double(need(of: best - 1)) * Self.hysteresis { best -= 1 }
        return best
    }
}
