//! The setting that a result is judged under: what the vendor file declares, capped by where the endpoint really is.

use std::net::{IpAddr, ToSocketAddrs, UdpSocket};

use crate::config::{Endpoint, Vendor};
use crate::model::Setting;

/// The setting of a vendor: demo for the embedded server; at most lab for an endpoint on this machine (loopback, one of its own
/// addresses, or a network namespace beside it); else as declared, by default trial. The text says when a declaration was lowered.
pub fn setting_of(vendor: &Vendor, endpoints: &[Endpoint]) -> (Setting, Option<String>) {
    let declared = vendor.setting.unwrap_or(Setting::Trial);
    if vendor.serve.is_some() {
        return (Setting::Demo, None);
    }
    let Some(local) = endpoints.iter().find(|endpoint| is_on_this_machine(endpoint)) else {
        return (declared, None);
    };
    let lowered = declared.min(Setting::Lab);
    let note = (vendor.setting.is_some() && lowered != declared)
        .then(|| format!("the vendor file declares {declared:?}, but {local} is on this machine: judged as a lab"));
    (lowered, note)
}

fn is_on_this_machine(endpoint: &Endpoint) -> bool {
    let Ok(addresses) = (endpoint.host.as_str(), endpoint.port).to_socket_addrs() else {
        return false;
    };
    let routes = std::fs::read_to_string("/proc/net/route").unwrap_or_default();
    addresses.map(|address| address.ip()).any(|ip| {
        // Only an address of this machine can be bound to; no packet is sent.
        ip.is_loopback() || UdpSocket::bind((ip, 0)).is_ok() || is_beside_virtual_interface(ip, &routes, &is_virtual)
    })
}

fn is_virtual(interface: &str) -> bool {
    std::path::Path::new("/sys/devices/virtual/net").join(interface).exists()
}

/// Whether the most specific route to `ip` is direct (no gateway) over a virtual interface: a network namespace of this machine.
/// A container's own default route has a gateway and does not count.
fn is_beside_virtual_interface(ip: IpAddr, routes: &str, is_virtual: &dyn Fn(&str) -> bool) -> bool {
    let IpAddr::V4(ip) = ip else { return false };
    let ip = u32::from_le_bytes(ip.octets());
    let number = |text: Option<&&str>| text.and_then(|hex| u32::from_str_radix(hex, 16).ok());
    let matching = routes.lines().skip(1).filter_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let (destination, gateway, mask) = (number(columns.get(1))?, number(columns.get(2))?, number(columns.get(7))?);
        (ip & mask == destination).then(|| (mask.count_ones(), gateway, columns[0].to_owned()))
    });
    matching.max_by_key(|(bits, ..)| *bits).is_some_and(|(_, gateway, interface)| gateway == 0 && is_virtual(&interface))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTES: &str = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\n\
        eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\n\
        veth-lab\t0000630A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\n";

    fn vendor(text: &str) -> Vendor {
        toml::from_str(&format!("title = \"x\"\ndeployment = \"managed\"\n{text}")).unwrap()
    }

    #[test]
    fn an_endpoint_on_this_machine_cannot_be_declared_higher_than_lab() {
        let local = [Endpoint::try_from("http://127.0.0.1:9000".to_owned()).unwrap()];
        let (setting, note) = setting_of(&vendor("setting = \"production\""), &local);
        assert_eq!(setting, Setting::Lab);
        assert!(note.unwrap().contains("127.0.0.1:9000"));
        assert_eq!(setting_of(&vendor("setting = \"demo\""), &local), (Setting::Demo, None));
        assert_eq!(setting_of(&vendor(""), &local), (Setting::Lab, None));
    }

    #[test]
    fn a_remote_endpoint_keeps_what_is_declared() {
        let remote = [Endpoint::try_from("http://192.0.2.7".to_owned()).unwrap()];
        assert_eq!(setting_of(&vendor("setting = \"production\""), &remote), (Setting::Production, None));
        assert_eq!(setting_of(&vendor(""), &remote), (Setting::Trial, None));
    }

    #[test]
    fn a_namespace_beside_this_one_is_on_this_machine_but_a_gateway_is_not() {
        let virtual_all = |_: &str| true;
        assert!(is_beside_virtual_interface("10.99.3.4".parse().unwrap(), ROUTES, &virtual_all));
        assert!(!is_beside_virtual_interface("10.99.3.4".parse().unwrap(), ROUTES, &|_| false));
        assert!(!is_beside_virtual_interface("8.8.8.8".parse().unwrap(), ROUTES, &virtual_all));
    }
}
