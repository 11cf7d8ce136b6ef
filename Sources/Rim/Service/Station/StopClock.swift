import Reactor
import Robot
import Wire

/// How long a stop took: from the last command that was accepted until the motors were told zero, and until the body stood, by the
/// driver's own report. Looks only after a stop. Lives on the reactor.
final class StopClock {
    struct Reading {
        var reason: StopReason
        /// From the last accepted command until the gate stopped the robot.
        var decided: Duration
        /// … until the driver's motors were told zero.
        var commanded: Duration
        /// … until the body was slower than 2 cm/s and 0.05 rad/s; nil: it was not within two seconds.
        var standing: Duration?
    }

    private let driver: any RobotDriver
    private let report: (Reading) -> Void
    private var timer: ReactorTimer?
    private var running: (reason: StopReason, last: Instant, decided: Instant)?

    private static let interval = Duration.milliseconds(10)
    private static let patience = Duration.seconds(2)

    init(_ driver: any RobotDriver, reactor: Reactor, report: @escaping (Reading) -> Void) {
        (self.driver, self.report) = (driver, report)
        timer = reactor.makeTimer { [weak self] now in self?.look(at: now) }
    }

    /// The gate has stopped the robot. `last`: when a command was last accepted.
    func start(_ reason: StopReason, last: Instant, at now: Instant) {
        running = (reason, last, now)
        look(at: now)
    }

    private func look(at now: Instant) {
        guard let run = running else { return }
        let telemetry = driver.telemetry
        let isOver = now - run.decided > Self.patience
        guard let zero = telemetry.zeroSince, telemetry.restingSince != nil || isOver else {
            if !isOver { timer?.deadline = now + Self.interval }
            return
        }
        running = nil
        let standing = telemetry.restingSince.map { max($0, zero) - run.last }
        report(Reading(reason: run.reason, decided: run.decided - run.last, commanded: max(zero, run.last) - run.last, standing: standing))
    }
}
