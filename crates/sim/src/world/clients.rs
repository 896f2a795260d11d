//! Clients in a run.

use holdfast_model::{ErrorCode, TopicId, TopicPartition};
use uuid::Uuid;

use super::World;
use crate::event::Event;
use crate::message::Message;
use crate::producer::Producer;

impl World {
    /// One more topic, wanted from now on, with clients that write to it.
    pub(super) fn add_topic(&mut self) {
        self.topics_made += 1;
        let topic = TopicId(Uuid::from_u128(self.topics_made));
        let at = TopicPartition {
            topic,
            partition: 0,
        };
        self.topics.push(at);
        let count = self.rng.within((1, 2));
        for _ in 0..count {
            self.add_producer(at, true);
        }
        if self.settings.noise {
            self.add_producer(at, false);
        }
    }

    fn add_producer(&mut self, at: TopicPartition, idempotent: bool) {
        let index = self.producers.len();
        self.producers
            .push(Producer::new(index, at, idempotent, &mut self.rng));
        let first = self.now + self.rng.within((50_000, 400_000));
        self.schedule.add(first, Event::Produce(index));
    }

    /// The producers of a topic that is gone have nothing left to say.
    pub(super) fn silence(&mut self, topic: TopicId) {
        for index in 0..self.producers.len() {
            if self.producers[index].at().topic == topic {
                let at = self.producers[index].at();
                self.producers[index] = Producer::new(index, at, true, &mut self.rng);
                self.producers[index].writes = false;
            }
        }
    }

    pub(super) fn produce(&mut self, index: usize) {
        self.next_crc += 1;
        let (crc, brokers, now) = (self.next_crc, self.nodes.len(), self.now);
        let messages = self.producers[index].tick(crc, brokers, now, &mut self.rng);
        for (to, message) in messages {
            self.send(brokers + 1, to, message);
        }
        let again = self.now + self.rng.within(self.settings.produce_us);
        self.schedule.add(again, Event::Produce(index));
    }

    pub(super) fn on_clients(&mut self, message: &Message) {
        let brokers = self.nodes.len();
        match *message {
            Message::Produced {
                producer,
                batch,
                code,
                ..
            } => {
                let answer =
                    self.producers[producer].on_produced(batch, code, brokers, &mut self.rng);
                if code != ErrorCode::None
                    && let Some((to, message)) = answer
                {
                    self.send(brokers + 1, to, message);
                }
            }
            Message::Leads(producer, leader) => self.producers[producer].on_leads(leader),
            _ => {}
        }
    }

    /// A reader looks at some replica: what it sees must be what everybody sees for ever.
    pub(super) fn read(&mut self) {
        let node = self.rng.index(self.nodes.len());
        if let Some(process) = &self.nodes[node].process {
            for (at, replica) in &process.replicas {
                self.oracle.reads(*at, node, replica.read());
            }
        }
        let again = self.now + self.rng.within((50_000, 300_000));
        self.schedule.add(again, Event::Read);
    }
}
