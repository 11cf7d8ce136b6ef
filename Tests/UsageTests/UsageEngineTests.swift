import Usage
import Wire
import XCTest

/// The whole monitor in virtual time: evidence in, state and events out.
final class UsageEngineTests: XCTestCase {
    /// An engine with its clock, and what it has said.
    private struct Rig: ~Copyable {
        var engine: UsageEngine
        var now = Instant.zero
        var events: [UsageEvent] = []
        var alerts: [Alert] = []
        var publications = 0

        init(_ change: (inout MonitorConfiguration) -> Void = { _ in }) {
            var configuration = MonitorConfiguration()
            change(&configuration)
            engine = UsageEngine(
                configuration, captures: true, clock: WallClock(microsecondsAtOrigin: 1_772_600_767_000_000), at: .zero)
            settle()
        }

        mutating func settle() {
            engine.advance(to: now)
            while let output = engine.nextOutput() {
                switch output {
                case .event(let event): events.append(event)
                case .alert(let alert): alerts.append(alert)
                case .publish: publications += 1
                case .zmq(.connect(let flow, _)): engine.zmqDisconnected(flow, at: now)
                case .zmq: break
                case .askOwners(let flow): engine.answer(flow, local: nil, far: nil)
                }
            }
        }

        /// As a timer would: at each deadline until then.
        mutating func go(_ milliseconds: Int) {
            let end = now + .milliseconds(milliseconds)
            while engine.deadline <= end {
                now = max(now, engine.deadline)
                settle()
            }
            now = end
            settle()
        }

        mutating func find(_ name: String, _ confidence: Double?, _ operatorName: String? = nil) {
            engine.custom(name, confidence.map { PluginDetection(isActive: true, confidence: $0, operatorName: operatorName) }, at: now)
            settle()
        }

        var kinds: [String] { events.map(\.kind.rawValue).filter { $0 != "state_update" } }
    }

    /// Section 2: the longest time between two `state_update`, however seldom there is an evaluation.
    func testUpdatesAreNotKeptWaitingByALongDetectionInterval() {
        var rig = Rig { $0.detection.detectionInterval = .seconds(10) }
        rig.events = []
        rig.go(5000)
        XCTAssertEqual(rig.events.map(\.kind), Array(repeating: .stateUpdate, count: 10))
    }

    func testEventsOfAChangeComeInTheOrderOfSection6() {
        var rig = Rig()
        rig.go(1000)
        rig.events = []
        rig.find("custom", 85, "zoe")
        XCTAssertEqual(
            rig.events.map(\.kind.rawValue),
            ["state_update", "teleoperation_active_changed", "operators_changed", "operator_connected", "teleoperation_started"])
        XCTAssertEqual(rig.events.map(\.sequence), Array(rig.events[0].sequence..<rig.events[0].sequence + 5))
        XCTAssertEqual(rig.events[4].data["confidence"], 85.0)
        XCTAssertEqual(rig.events[4].data["reasons"], ["custom: 85% confidence"])
        XCTAssertEqual(rig.events[3].data["source"], "custom")
        rig.go(2000)
        rig.events = []
        rig.find("custom", nil)
        XCTAssertEqual(
            rig.events.map(\.kind.rawValue),
            ["state_update", "teleoperation_active_changed", "operators_changed", "operator_disconnected", "teleoperation_stopped"])
        XCTAssertEqual(rig.events[4].data["duration"]?.double, 2)
        XCTAssertEqual(rig.events[4].data["operators"], ["zoe"])
        XCTAssertEqual(rig.events[3].data["connected_seconds"]?.double, 2)
        XCTAssertNil(rig.engine.state.startTime)
    }

    func testStateHasAllKeysFromTheFirstSecond() {
        let engine = UsageEngine(MonitorConfiguration(), captures: true, clock: WallClock(microsecondsAtOrigin: 0), at: .zero)
        XCTAssertEqual(
            engine.state.json.object?.names,
            ["teleoperation_active", "operators", "confidence", "connections", "metrics", "reasons", "start_time", "duration", "timestamp"])
        XCTAssertEqual(engine.state.json["timestamp"], .null)
    }

    func testQuietUpdatesComeEveryUpdateInterval() {
        var rig = Rig()
        rig.go(10_000)
        XCTAssertEqual(rig.events.count, 21)
        XCTAssertTrue(rig.events.allSatisfy { $0.data["changes"] == [] })
        XCTAssertEqual(rig.engine.stats.evaluations, 101)
        XCTAssertEqual(rig.engine.stats.detections, 0)
    }

    /// At once, but at most every 20 ms.
    func testChangesAreToldAtOnceAndNotMoreOftenThanEvery20ms() {
        var rig = Rig()
        rig.go(1000)
        rig.events = []
        for step in 0..<100 {
            rig.find("custom", step % 2 == 0 ? 85 : nil, "a")
            rig.go(1)
        }
        XCTAssertLessThanOrEqual(rig.events.count { $0.kind == .stateUpdate }, 6)
        rig.go(1000)
        XCTAssertFalse(rig.engine.state.isActive, "the last word counts")
        rig.events = []
        rig.find("custom", 85, "b")
        XCTAssertEqual(rig.events.first?.kind, .stateUpdate, "no wait after quiet")
    }

    func testExactSessionsNameTheDriver() {
        var rig = Rig()
        let anna = SessionList.Session(operatorName: "anna", role: .driver, since: 1, remote: "192.0.2.7:5000")
        let bob = SessionList.Session(operatorName: "bob", role: .viewer, since: 1, remote: "192.0.2.8:5000")
        rig.engine.sessions([SessionList(source: "waldo", sessions: [bob])], at: rig.now)
        rig.go(200)
        XCTAssertFalse(rig.engine.state.isActive, "to watch is not to drive")
        rig.engine.sessions([SessionList(source: "waldo", sessions: [anna, bob])], at: rig.now)
        rig.go(200)
        XCTAssertEqual(rig.engine.state.operators, ["anna"])
        XCTAssertEqual(rig.engine.state.reasons, ["waldo: 100% confidence"])
        rig.engine.sessions([], at: rig.now)
        rig.go(200)
        XCTAssertFalse(rig.engine.state.isActive)
    }

    func testCustomAlertsAreSilentForTheCooldown() {
        var rig = Rig { $0.performance.alertCooldown = .seconds(30) }
        XCTAssertTrue(rig.engine.raise(.critical, "hot", by: "custom_1", at: rig.now))
        rig.go(10_000)
        XCTAssertFalse(rig.engine.raise(.critical, "hot", by: "custom_1", at: rig.now))
        XCTAssertTrue(rig.engine.raise(.info, "other", by: "custom_2", at: rig.now))
        rig.go(20_000)
        XCTAssertTrue(rig.engine.raise(.critical, "hot", by: "custom_1", at: rig.now))
        rig.settle()
        XCTAssertEqual(rig.alerts.map(\.metric), ["custom_1", "custom_2", "custom_1"])
        XCTAssertEqual(rig.alerts[0].json["message"], "hot")
        XCTAssertEqual(rig.engine.alertBook.alerts.count, 3)
    }

    func testMemoryOverTheThresholdIsAResourceWarning() {
        var rig = Rig { $0.alerts.memoryUsageMb = 5 }
        rig.engine.resources(cpuPct: 1, memoryMb: 7.5)
        rig.go(5000)
        XCTAssertEqual(rig.kinds, ["resource_warning"])
        XCTAssertEqual(rig.events.first { $0.kind == .resourceWarning }?.data["reason"], "Max 7.50 exceeds threshold 5")
        rig.go(31_000)
        XCTAssertEqual(rig.kinds.count, 2, "raised again after the cooldown")
    }

    /// Section 8: packets with the monitor's own port, or of its own connections, never reach a detector.
    func testOwnTrafficNeverCounts() {
        var rig = Rig()
        rig.engine.ownServer(port: 12_000)
        let client = SocketAddress(IPAddress(192, 0, 2, 9), 40_000), own = SocketAddress(IPAddress(192, 0, 2, 1), 12_000)
        for _ in 0..<400 {
            rig.engine.packet(tcp(own, client).span, wireLength: 1400, isOutgoing: true, interface: 2, at: rig.now)
            rig.go(10)
        }
        XCTAssertEqual(rig.engine.state.networkFlows, 0)
        // The same with another port is a flow of 1.1 Mbit/s.
        let other = SocketAddress(IPAddress(192, 0, 2, 1), 12_001)
        for _ in 0..<400 {
            rig.engine.packet(tcp(other, client).span, wireLength: 1400, isOutgoing: true, interface: 2, at: rig.now)
            rig.go(10)
        }
        XCTAssertEqual(rig.engine.state.networkFlows, 1)
    }

    private func tcp(_ source: SocketAddress, _ destination: SocketAddress) -> [UInt8] {
        var packet: [UInt8] = [0x45, 0]
        packet.append(u16: 1400)
        packet += [0, 0, 0x40, 0, 64, 6, 0, 0] + source.ip.bytes + destination.ip.bytes
        packet.append(u16: source.port)
        packet.append(u16: destination.port)
        packet += [0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x10, 0, 0, 0, 0, 0, 0] + [UInt8](repeating: 7, count: 100)
        return packet
    }

    /// A day in accelerated time: people come and go, metrics and alerts run; nothing grows, no time is lost, every end is told.
    func testADay() {
        let seed: UInt64 = 20_261_128
        var random = SeededRandom(seed: seed), rig = Rig()
        var started = 0, stopped = 0, longest = 0, lastSequence: Int64 = 0
        for hour in 0..<24 {
            for minute in 0..<60 {
                let isThere = Int.random(in: 0..<3, using: &random) == 0
                rig.find("custom", isThere ? 85 : nil, "operator \(Int.random(in: 0..<1000, using: &random))")
                rig.engine.recordMetric("metric_\(minute)_\(hour)", Double(minute), tags: [], at: rig.now)
                rig.engine.resources(cpuPct: 0.2, memoryMb: 6.5)
                _ = rig.engine.raise(.info, "m", by: "check \(Int.random(in: 0..<10_000, using: &random))", at: rig.now)
                rig.go(60_000)
                longest = max(longest, rig.engine.metrics.sampleCount)
                started += rig.events.count { $0.kind == .started }
                stopped += rig.events.count { $0.kind == .stopped }
                XCTAssertEqual(rig.events.first?.sequence, lastSequence + 1, "seed \(seed)")
                lastSequence = rig.events.last?.sequence ?? 0
                rig.events = []
                rig.alerts = []
            }
            XCTAssertEqual(rig.now, .zero + .seconds(3600 * (hour + 1)))
        }
        XCTAssertEqual(rig.engine.stats.evaluations, 864_001, accuracy: 3000, "seed \(seed)")
        XCTAssertGreaterThan(started, 100)
        XCTAssertLessThanOrEqual(started - stopped, 1)
        XCTAssertLessThanOrEqual(rig.engine.metrics.names.count, MetricStore.mostMetrics)
        XCTAssertLessThan(longest, 3000, "two built-in metrics and what of custom ones is in the window")
        XCTAssertEqual(rig.engine.alertBook.alerts.count, 100)
        XCTAssertLessThanOrEqual(rig.engine.alertBook.counts.count, 512)
        XCTAssertEqual(rig.engine.uptime(at: rig.now), 86_400)
    }
}
