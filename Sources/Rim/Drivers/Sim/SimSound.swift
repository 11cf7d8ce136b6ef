import Glibc
import Media
import Reactor
import Synchronization
import Wire

/// The robot's microphone, on a thread of its own: what is to be heard in the room, made anew every 20 ms.
final class SimSound: SimWorker {
    /// What the robot can be asked to play.
    enum Kind: String, Sendable, CaseIterable { case beep, whistle }

    let threadName = "waldo-sim-sound"
    let urgency = SimUrgency.usual
    private let exchange: SimExchange
    private let feed: SoundFeed
    private var random = SeededRandom(seed: 11)
    private var hush = 0.0
    private var motorPhase = 0.0
    private var motor = 0.0
    private var heardBarks = 0
    private var bark: Voice?
    private var heardSounds = 0
    private var own: (kind: Kind, voice: Voice)?
    private var bird: Voice?
    private var birdDue = 3.0
    private var time = 0.0

    /// Something that began, and where its wave stands.
    private struct Voice {
        var seconds = 0.0
        var phase = 0.0
        var loudness: Double
    }

    static let rate = 48_000
    static let block = 960
    private static let interval = Duration.milliseconds(20)
    private static let patience = Duration.milliseconds(200)

    init(exchange: SimExchange, feed: SoundFeed) {
        self.exchange = exchange
        self.feed = feed
    }

    func run() {
        var due = MonotonicClock.now()
        while exchange.isRunning.load(ordering: .relaxed) {
            let samples = makeBlock()
            due += Self.interval
            var time = timespec(tv_sec: Int(due.nanoseconds / 1_000_000_000), tv_nsec: Int(due.nanoseconds % 1_000_000_000))
            while unsafe clock_nanosleep(CLOCK_MONOTONIC, Int32(TIMER_ABSTIME), &time, nil) == EINTR {}
            exchange.counters.microphoneLevel.store(SimEar.level(samples), ordering: .relaxed)
            feed.publish(CapturedSound(samples, captured: due - Self.interval))
            let now = MonotonicClock.now()
            if now - due > Self.patience { due = now }
        }
    }

    private func makeBlock() -> [Int16] {
        let noise = exchange.noise.withLock { $0 }
        if noise.barks != heardBarks {
            heardBarks = noise.barks
            bark = Voice(loudness: 0.75 / (0.6 + noise.dogDistance * noise.dogDistance))
        }
        if noise.sounds != heardSounds {
            heardSounds = noise.sounds
            own = (noise.sound, Voice(loudness: 0.3))
        }
        return (0..<Self.block).map { _ in
            time += 1 / Double(Self.rate)
            let sum = roomTone() + motorTone(noise.wheels) + barking() + playing() + singing()
            return Int16(max(-1, min(1, sum)) * 32_000)
        }
    }

    private func white() -> Double { Double(Int64(bitPattern: random.next()) >> 11) / Double(1 << 52) }

    private func roomTone() -> Double {
        hush += (white() - hush) * 0.04
        return hush * 0.012
    }

    private func motorTone(_ speed: Double) -> Double {
        motor += (speed - motor) * 0.0008
        guard motor > 0.01 else { return 0 }
        motorPhase = (motorPhase + (60 + 340 * motor) / Double(Self.rate)).truncatingRemainder(dividingBy: 1)
        let wave = sin(2 * .pi * motorPhase) + 0.5 * sin(6 * .pi * motorPhase) + 0.3 * sin(14 * .pi * motorPhase)
        return (wave + white() * 0.4) * min(0.035, 0.03 * motor)
    }

    /// Two short calls that fall in pitch, rough at the edges.
    private func barking() -> Double {
        guard var voice = bark else { return 0 }
        defer { bark = voice.seconds < 0.55 ? voice : nil }
        voice.seconds += 1 / Double(Self.rate)
        let call = voice.seconds < 0.28 ? voice.seconds : voice.seconds - 0.28
        guard call < 0.17 else { return 0 }
        let shape = min(1, call / 0.012) * (1 - call / 0.17)
        voice.phase = (voice.phase + (520 - 1300 * call) / Double(Self.rate)).truncatingRemainder(dividingBy: 1)
        let throat = 2 * voice.phase - 1 + 0.6 * sin(4 * .pi * voice.phase)
        return (throat * 0.7 + white() * 0.45) * shape * voice.loudness
    }

    private func playing() -> Double {
        guard case (let kind, var voice)? = own else { return 0 }
        voice.seconds += 1 / Double(Self.rate)
        let length = kind == .beep ? 0.22 : 0.8
        let pitch: Double
        switch kind {
        case .beep: pitch = 880
        case .whistle: pitch = voice.seconds < 0.35 ? 1100 + 3200 * voice.seconds : 2220 - 2600 * abs(voice.seconds - 0.6)
        }
        voice.phase = (voice.phase + pitch / Double(Self.rate)).truncatingRemainder(dividingBy: 1)
        own = voice.seconds < length ? (kind, voice) : nil
        let shape = min(1, voice.seconds / 0.01) * min(1, max(0, (length - voice.seconds) / 0.03))
        return sin(2 * .pi * voice.phase) * shape * voice.loudness
    }

    /// A bird outside, now and then.
    private func singing() -> Double {
        if bird == nil, time > birdDue {
            birdDue = time + Double.random(in: 4...11, using: &random)
            bird = Voice(loudness: Double.random(in: 0.006...0.014, using: &random))
        }
        guard var voice = bird else { return 0 }
        voice.seconds += 1 / Double(Self.rate)
        let note = voice.seconds.truncatingRemainder(dividingBy: 0.16)
        voice.phase = (voice.phase + (3100 + 900 * sin(note * 40)) / Double(Self.rate)).truncatingRemainder(dividingBy: 1)
        bird = voice.seconds < 0.8 ? voice : nil
        return note < 0.1 ? sin(2 * .pi * voice.phase) * sin(.pi * note / 0.1) * voice.loudness : 0
    }
}

/// The robot's speaker: what people say through it is measured, and the last ten seconds are kept.
struct SimEar: Sendable {
    private var kept: [Int16] = []
    private var oldest = 0

    static let capacity = 10 * SimSound.rate

    mutating func take(_ samples: [Int16]) {
        for sample in samples.suffix(Self.capacity) {
            if kept.count < Self.capacity {
                kept.append(sample)
            } else {
                kept[oldest] = sample
                oldest = (oldest + 1) % Self.capacity
            }
        }
    }

    /// Oldest first.
    var all: [Int16] { Array(kept[oldest...] + kept[..<oldest]) }

    /// 0…1 of full scale: the mean of the squares' root.
    static func level(_ samples: [Int16]) -> Double {
        guard !samples.isEmpty else { return 0 }
        let sum = samples.reduce(0.0) { $0 + Double($1) * Double($1) }
        return (sum / Double(samples.count)).squareRoot() / 32_768
    }
}
