internal import CMuJoCo
import Glibc
import Reactor
import Robot
import Wire

/// What the robot does once when asked: treats, the light, sounds.
struct SimActing {
    private(set) var light = SimColour.start
    private var treats: [Treat]
    private var next = 0
    private var completed: [String: Int] = [:]
    private var hasNewCounts = false
    private var wasWhistled = false

    private struct Treat {
        let body: SimFreeBody
        var place: Place
    }
    private enum Place { case hopper, falling, floor }

    static let capabilities = [
        ActionCapability(name: "treat", title: "Drop a treat"),
        ActionCapability(name: "light", title: "Colour of the light", choices: []),
        ActionCapability(name: "sound", title: "Play a sound", choices: SimSound.Kind.allCases.map(\.rawValue)),
    ]

    /// Nil: it can be begun.
    static func refusal(_ action: RobotAction) -> RobotActionError? {
        switch action.name {
        case "treat": action.argument.isEmpty ? nil : .argument(action.argument, expected: "nothing")
        case "light": SimColour(action.argument) == nil ? .argument(action.argument, expected: "a colour #rrggbb") : nil
        case "sound":
            SimSound.Kind(rawValue: action.argument) == nil
                ? .argument(action.argument, expected: SimSound.Kind.allCases.map(\.rawValue).joined(separator: " or ")) : nil
        default: .unknown(action.name, known: capabilities.map(\.name))
        }
    }

    init(_ state: SimState) {
        treats = state.world.rover.treats.map { Treat(body: $0, place: .hopper) }
        for index in treats.indices { touch(index, false, state) }
    }

    mutating func begin(_ action: RobotAction, _ state: SimState, _ exchange: SimExchange) {
        switch action.name {
        case "treat": drop(state)
        case "light":
            light = SimColour(action.argument) ?? light
            count("light")
        case "sound":
            guard let kind = SimSound.Kind(rawValue: action.argument) else { return }
            exchange.noise.withLock { noise in
                noise.sound = kind
                noise.sounds += 1
            }
            wasWhistled = wasWhistled || kind == .whistle
            count("sound")
        default: break
        }
    }

    private mutating func count(_ name: String) {
        completed[name, default: 0] += 1
        hasNewCounts = true
    }

    /// How often each was completed, when that has changed.
    mutating func takeCounts() -> [String: Int]? {
        defer { hasNewCounts = false }
        return hasNewCounts ? completed : nil
    }

    mutating func takeWhistle() -> Bool {
        defer { wasWhistled = false }
        return wasWhistled
    }

    // MARK: Treats

    /// The next one leaves the hopper; when all lie about, the one that has lain longest goes back into it first.
    private mutating func drop(_ state: SimState) {
        guard let site = state.world.rover.dispenser, !treats.isEmpty else { return }
        let index = next
        next = (next + 1) % treats.count
        let mouth = state.site(site), rover = state.pose(state.world.rover.free),
            velocity = unsafe state.velocities + state.world.rover.free.velocity
        touch(index, true, state)
        state.place(treats[index].body, x: mouth.x, y: mouth.y, z: mouth.z)
        let (vx, vy) = unsafe (velocity[0], velocity[1])
        state.push(treats[index].body, vx: vx + 0.55 * cos(rover.yaw), vy: vy + 0.55 * sin(rover.yaw))
        treats[index].place = .falling
    }

    private func touch(_ index: Int, _ touches: Bool, _ state: SimState) {
        for geom in state.world.rover.treatGeoms[index] {
            unsafe waldo_geom_touches(state.world.model, geom, touches ? 1 : 0, touches ? 1 : 0)
        }
    }

    /// What is in the hopper goes with it.
    func hold(_ state: SimState) {
        let rover = state.pose(state.world.rover.free), base = unsafe state.positions[state.world.rover.free.position + 2]
        let velocity = unsafe state.velocities + state.world.rover.free.velocity
        for (index, treat) in treats.enumerated() where treat.place == .hopper {
            // In a spiral, as balls lie in a tube.
            let angle = rover.yaw + Double(index) * 2.2
            let (x, y) = (rover.x - 0.045 * cos(rover.yaw) + 0.012 * cos(angle), rover.y - 0.045 * sin(rover.yaw) + 0.012 * sin(angle))
            state.place(treat.body, x: x, y: y, z: base + 0.126 + 0.017 * Double(index))
            unsafe state.push(treat.body, vx: velocity[0], vy: velocity[1])
        }
    }

    /// Treats that have come to lie are completed.
    mutating func countLanded(_ state: SimState) {
        for (index, treat) in treats.enumerated() where treat.place == .falling {
            let speed = unsafe state.velocities[treat.body.velocity + 2]
            guard unsafe state.positions[treat.body.position + 2] < 0.04, abs(speed) < 0.05 else { continue }
            treats[index].place = .floor
            count("treat")
        }
    }

    /// Where treats lie.
    func lying(_ state: SimState) -> [(index: Int, x: Double, y: Double)] {
        treats.enumerated().filter { $0.element.place == .floor }.map { index, treat in
            let place = state.pose(treat.body)
            return (index, place.x, place.y)
        }
    }

    /// Eaten: a new one lies in the hopper.
    mutating func eat(_ index: Int, _ state: SimState) {
        treats[index].place = .hopper
        touch(index, false, state)
    }
}
