//! Two machines joined by a wire, as commands see them.

use hopwise_machine::MachineId;
use hopwise_stack::control::link::WireSpec;
use hopwise_userland::World;

/// `client 10.0.0.1 --- 10.0.0.2 server`
pub(crate) struct Lab {
    pub(crate) world: World,
    pub(crate) client: MachineId,
    pub(crate) server: MachineId,
}

impl Lab {
    pub(crate) fn over(wire: WireSpec) -> Lab {
        let mut world = World::new(1);
        let (client, server) = (world.add_machine("client"), world.add_machine("server"));
        world.connect((client, "eth0"), (server, "eth0"), wire).unwrap();
        let mut lab = Lab { world, client, server };
        lab.on_client("ip addr add 10.0.0.1/24 dev eth0");
        lab.on_server("ip addr add 10.0.0.2/24 dev eth0");
        lab
    }

    pub(crate) fn on_client(&mut self, line: &str) -> String {
        self.world.run(self.client, line).text
    }

    pub(crate) fn on_server(&mut self, line: &str) -> String {
        self.world.run(self.server, line).text
    }
}
